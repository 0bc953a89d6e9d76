use crate::{
    domain::reservation::Reservation,
    ports::{Reservations, ReserveOutcome},
};
use rialto_contracts::{EventContext, orders::OrderPlaced};
use rialto_kernel::{ProductId, StoreError, Timestamp, Write};

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderPlacedError {
    #[error("product {0} not registered yet")]
    UnknownProduct(ProductId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reserves every line or none. An order with a reservation, a rejection or a tombstone changes
/// nothing.
///
/// # Errors
/// [`OnOrderPlacedError`]: the event must be redelivered.
pub async fn on_order_placed(
    store: &impl Reservations,
    event: &OrderPlaced,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, OnOrderPlacedError> {
    let shortages = match store.apply(&Reservation::reserve(event, now, cause)).await? {
        ReserveOutcome::Done => return Ok(Write::Done),
        ReserveOutcome::Conflict => return Ok(Write::Conflict(())),
        ReserveOutcome::UnknownProduct(product) => {
            return Err(OnOrderPlacedError::UnknownProduct(product));
        }
        ReserveOutcome::InsufficientStock(shortages) => shortages,
    };
    match store.apply(&Reservation::reject(event, shortages, now, cause)).await? {
        ReserveOutcome::Done => Ok(Write::Done),
        _ => Ok(Write::Conflict(())),
    }
}
