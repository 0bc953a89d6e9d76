//! The retry loop of the events that change an order's reservation.

use crate::{
    domain::reservation::{Reservation, ReservationUpdate},
    ports::{Reservations, ReserveOutcome},
};
use rialto_kernel::{
    OrderId, PlantedBug, StoreError, Write,
    store::{self, Attempt},
};

/// Loads an order's reservation and writes what `decide` returns for it, until no other write comes
/// first. [`Write::Conflict`] if there is nothing to write.
///
/// # Errors
/// [`StoreError`], or the error of `decide`; nothing was changed then.
pub(super) async fn change_reservation<E: From<StoreError>>(
    store: &impl Reservations,
    order: OrderId,
    decide: impl Fn(Option<Reservation>) -> Result<Option<ReservationUpdate>, E>,
) -> Result<Write, E> {
    store::update(|| async {
        let Some(change) = decide(store.reservation(order).await?)? else {
            return Ok(Attempt::Done(Write::Conflict(())));
        };
        match store.apply(&change).await? {
            ReserveOutcome::Done => Ok(Attempt::Done(Write::Done)),
            ReserveOutcome::Conflict
                if PlantedBug::LostCancellationAcknowledged.is_planted()
                    && change.expected.is_none() =>
            {
                Ok(Attempt::Done(Write::Conflict(())))
            }
            ReserveOutcome::Conflict => Ok(Attempt::Conflict),
            ReserveOutcome::InsufficientStock(_) | ReserveOutcome::UnknownProduct(_) => {
                Err(StoreError::Corrupt(format!("no stock contains what {order} reserved")).into())
            }
        }
    })
    .await
}
