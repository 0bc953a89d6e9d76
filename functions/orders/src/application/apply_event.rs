use crate::{domain::order::Transition, ports::OrderWriter};
use rialto_contracts::{Event, EventContext};
use rialto_kernel::{
    OrderId, StoreError, Timestamp, Write,
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
/// recorded.
///
/// # Errors
/// [`ApplyEventError`]: the event must be redelivered.
pub async fn apply_event(
    store: &impl OrderWriter,
    order_id: OrderId,
    event: &Event,
    transition: Transition,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, ApplyEventError> {
    let cause = &EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    store::update(|| async move {
        let order = store.order(order_id).await?.ok_or(ApplyEventError::NotFound(order_id))?;
        match order.apply(event, transition, now, cause) {
            Some(change) => Ok(store.save(&change).await?.into_attempt(Write::Done)),
            None => Ok(Attempt::Done(Write::Conflict(()))),
        }
    })
    .await
}
