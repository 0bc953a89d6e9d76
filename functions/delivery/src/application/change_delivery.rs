//! The retry loop of the requests that change one delivery.

use super::get_delivery::load_delivery;
use crate::{
    domain::{
        delivery::{IllegalDeliveryTransition, LineDelivery},
        draft::DeliveryDraft,
    },
    ports::DeliveryWriter,
};
use rialto_kernel::{DeliveryId, PreconditionFailed, StoreError, store::MAX_ATTEMPTS};

/// An error of a change of a delivery. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeDeliveryError {
    /// It doesn't exist, or the requester may not change it.
    #[error("delivery not found")]
    NotFound,
    #[error(transparent)]
    Changed(#[from] PreconditionFailed),
    #[error(transparent)]
    IllegalTransition(#[from] IllegalDeliveryTransition),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Loads a delivery that the requester may change and writes what `decide` returns for it, until no
/// other write comes first.
///
/// # Errors
/// [`ChangeDeliveryError`]; nothing was changed then.
pub(super) async fn change_delivery(
    store: &impl DeliveryWriter,
    delivery_id: DeliveryId,
    may_change: impl Fn(&LineDelivery) -> bool,
    decide: impl Fn(LineDelivery) -> Result<DeliveryDraft, ChangeDeliveryError>,
) -> Result<LineDelivery, ChangeDeliveryError> {
    // Not `store::update`: an attempt has to recognise the previous one's write.
    let mut attempted = None;
    for _ in 0..MAX_ATTEMPTS {
        let delivery = load_delivery(store, delivery_id).await?;
        let delivery = delivery.filter(&may_change).ok_or(ChangeDeliveryError::NotFound)?;
        // A write whose response was lost is repeated by the SDK, and then conflicts with itself.
        if attempted.is_some_and(|attempted| delivery.contains_write(&attempted)) {
            return Ok(delivery);
        }
        let draft = decide(delivery.clone())?;
        if !draft.is_changed() {
            return Ok(delivery);
        }
        let changed = draft.delivery().clone();
        if store.save(&std::iter::once(draft).collect()).await?.is_done() {
            return Ok(changed);
        }
        attempted = Some(changed);
    }
    Err(StoreError::Contended.into())
}
