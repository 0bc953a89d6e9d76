use super::change_reservation::change_reservation;
use crate::{domain::reservation::Reservation, ports::Reservations};
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
    change_reservation(store, order, |reservation| {
        Ok(match reservation {
            None if PlantedBug::EarlyCancellationNotReserved.is_planted() => None,
            None => Some(Reservation::tombstone(order, cause)),
            Some(reservation) => reservation.release(now, cause),
        })
    })
    .await
}
