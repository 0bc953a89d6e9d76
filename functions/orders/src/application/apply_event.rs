use crate::{domain::order::Transition, ports::OrderWriter};
use rialto_contracts::{Event, EventContext};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// Why the event is left to the queue's retry.
#[derive(Debug, thiserror::Error)]
pub enum ApplyEventError {
    #[error("there is no order {0}")]
    NoOrder(OrderId),
    #[error("the order {0} is being changed")]
    Contended(OrderId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often an order that is being changed is tried.
const MAX_ATTEMPTS: u32 = 5;

/// Tells an order of another service's event. A second time nothing changes; too late, it is only recorded.
///
/// # Errors
/// [`HearEventError`]: the event has to come again.
pub async fn apply_event(
    store: &impl OrderWriter,
    order_id: OrderId,
    event: &Event,
    effect: Transition,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, ApplyEventError> {
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    for _ in 0..MAX_ATTEMPTS {
        let order = store.order(order_id).await?.ok_or(ApplyEventError::NoOrder(order_id))?;
        let Some(change) = order.apply(event, effect, now, &cause) else {
            return Ok(Write::Conflict(()));
        };
        if store.save(&change).await? == Write::Done {
            return Ok(Write::Done);
        }
    }
    Err(ApplyEventError::Contended(order_id))
}
