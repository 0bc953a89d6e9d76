use crate::{
    domain::reservation::Reservation,
    ports::{Reservations, ReserveOutcome},
};
use rialto_contracts::{EventContext, orders::OrderCancelled};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// Why the cancellation is left to the queue's retry.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderCancelledError {
    #[error("the reservation of {0} is being changed")]
    Contended(OrderId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives back what is reserved or sold. A cancellation heard before its order is kept, and the order then reserves
/// nothing.
///
/// # Errors
/// [`OnOrderCancelledError`]: the event has to come again.
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
