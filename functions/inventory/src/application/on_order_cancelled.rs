use crate::{
    domain::reservation::Reservation,
    ports::{Reservations, ReserveOutcome},
};
use rialto_contracts::{EventContext, orders::OrderCancelled};
use rialto_kernel::{PlantedBug, StoreError, Timestamp, Write};

/// Releases or returns the order's stock. If the cancellation arrives before its order, a tombstone
/// is stored, and the order reserves nothing.
///
/// # Errors
/// [`StoreError`]: the event must be redelivered.
pub async fn on_order_cancelled(
    store: &impl Reservations,
    event: &OrderCancelled,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, StoreError> {
    let order = event.order_id;
    let change = match store.reservation(order).await? {
        None if PlantedBug::EarlyCancellationNotReserved.is_planted() => {
            return Ok(Write::Conflict(()));
        }
        None => Reservation::tombstone(order, cause),
        Some(reservation) => match reservation.release(now, cause) {
            None => return Ok(Write::Conflict(())),
            Some(change) => change,
        },
    };
    match store.apply(&change).await? {
        ReserveOutcome::Done => Ok(Write::Done),
        _ if PlantedBug::LostCancellationAcknowledged.is_planted() => Ok(Write::Conflict(())),
        _ => Err(StoreError::Contended),
    }
}
