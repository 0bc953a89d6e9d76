use super::change_reservation::change_reservation;
use crate::ports::Reservations;
use rialto_contracts::{EventContext, orders::OrderConfirmed};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderConfirmedError {
    #[error("{0} has no reservation")]
    NoReservation(OrderId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Turns reserved stock into sold stock. Lines that were sold or released before stay as they are.
///
/// # Errors
/// [`OnOrderConfirmedError`]: the event must be redelivered.
pub async fn on_order_confirmed(
    store: &impl Reservations,
    event: &OrderConfirmed,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, OnOrderConfirmedError> {
    let order = event.order_id;
    change_reservation(store, order, |reservation| {
        let reservation = reservation.ok_or(OnOrderConfirmedError::NoReservation(order))?;
        Ok(reservation.fulfil(now, cause))
    })
    .await
}
