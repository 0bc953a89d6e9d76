use crate::ports::{Reservations, ReserveOutcome};
use rialto_contracts::{EventContext, orders::OrderConfirmed};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// Why the confirmation is left to the queue's retry.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderConfirmedError {
    #[error("{0} has no reservation")]
    NoReservation(OrderId),
    #[error("the reservation of {0} is being changed")]
    Contended(OrderId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sells what is reserved. What is sold or given back already stays as it is.
///
/// # Errors
/// [`OnOrderConfirmedError`]: the event has to come again.
pub async fn on_order_confirmed(
    store: &impl Reservations,
    event: &OrderConfirmed,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, OnOrderConfirmedError> {
    let order = event.order_id;
    let reservation =
        store.reservation(order).await?.ok_or(OnOrderConfirmedError::NoReservation(order))?;
    let Some(change) = reservation.sell(now, cause) else { return Ok(Write::Conflict(())) };
    match store.apply(&change).await? {
        ReserveOutcome::Done => Ok(Write::Done),
        _ => Err(OnOrderConfirmedError::Contended(order)),
    }
}
