use crate::{
    domain::reservation::Reservation,
    ports::{Reservations, ReserveOutcome},
};
use rialto_contracts::{EventContext, orders::OrderCancelled};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderCancelledError {
    #[error("concurrent update of the reservation of {0}")]
    Contended(OrderId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Releases or returns the order's stock. If the cancellation arrives before its order, a tombstone
/// is stored, and the order reserves nothing.
///
/// # Errors
/// [`OnOrderCancelledError`]: the event must be redelivered.
pub async fn on_order_cancelled(
    store: &impl Reservations,
    event: &OrderCancelled,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, OnOrderCancelledError> {
    let order = event.order_id;
    let change = match store.reservation(order).await? {
        None => Reservation::tombstone(order, cause),
        Some(reservation) => match reservation.release(now, cause) {
            None => return Ok(Write::Conflict(())),
            Some(change) => change,
        },
    };
    match store.apply(&change).await? {
        ReserveOutcome::Done => Ok(Write::Done),
        _ => Err(OnOrderCancelledError::Contended(order)),
    }
}
