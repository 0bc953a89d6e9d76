use crate::{
    domain::order::{OrderState, Transition},
    ports::{FailedPaymentCounter, OrderWriter},
};
use rialto_contracts::{Event, EventContext, orders::CancelReason};
use rialto_kernel::{
    OrderId, PlantedBug, StoreError, Timestamp, Write,
    store::{self, Attempt},
};

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum ApplyEventError {
    #[error("order {0} not found")]
    NotFound(OrderId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies another service's event to an order. Idempotent; an event that arrives too late is only
/// recorded. A failed payment that cancels the order counts for the limits of placing orders.
///
/// # Errors
/// [`ApplyEventError`]: the event must be redelivered.
pub async fn apply_event(
    store: &(impl OrderWriter + FailedPaymentCounter),
    order_id: OrderId,
    event: &Event,
    transition: Transition,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, ApplyEventError> {
    let cause = &EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    store::update(|| async move {
        let order = store.order(order_id).await?.ok_or(ApplyEventError::NotFound(order_id))?;
        let Some(change) = order.apply(event, transition, now, cause) else {
            return Ok(Attempt::Done(Write::Conflict(())));
        };
        let write = store.save(&change).await?;
        let payment_failed = order.state == OrderState::Pending
            && transition == Transition::Cancel(CancelReason::PaymentFailed);
        if write.is_done() && payment_failed {
            // The event is applied: redelivering it wouldn't count it.
            let counted = store.count_failed_payment(order.user_id, order.client.as_ref(), now);
            if let Err(error) = counted.await {
                tracing::warn!(%error, "couldn't count a failed payment");
            }
        }
        if PlantedBug::OrderConflictTakenForDone.is_planted() {
            return Ok(Attempt::Done(write));
        }
        Ok(write.into_attempt(Write::Done))
    })
    .await
}
