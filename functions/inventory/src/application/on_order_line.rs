use super::change_reservation::change_reservation;
use crate::{domain::reserved_line::LineEnd, ports::Reservations};
use rialto_contracts::{
    EventContext,
    orders::{LineMismatch, LineSnapshot},
};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderLineError {
    #[error("{0} has no reservation")]
    NoReservation(OrderId),
    #[error(transparent)]
    Mismatch(#[from] LineMismatch),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Splits the reservation's lines as the order's, and releases, returns or writes off the stock of
/// a line that has ended. A line that ends before its order's confirmation arrives isn't sold then.
///
/// # Errors
/// [`OnOrderLineError`]: the event must be redelivered; a mismatch ends as a dead letter.
pub async fn on_order_line(
    store: &impl Reservations,
    line: &LineSnapshot,
    end: Option<LineEnd>,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, OnOrderLineError> {
    let order = line.order_id;
    change_reservation(store, order, |reservation| {
        let reservation = reservation.ok_or(OnOrderLineError::NoReservation(order))?;
        Ok(reservation.apply_line_event(line, end, now, cause)?)
    })
    .await
}
