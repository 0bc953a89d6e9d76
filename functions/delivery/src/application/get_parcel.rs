use crate::{
    domain::{
        delivery::{DeliveryRecord, DeliveryState, LineDelivery},
        parcel::Parcel,
    },
    ports::DeliveryReader,
};
use rialto_kernel::{ETag, ParcelId, PreconditionFailed, SellerId, StoreError, UserId};

/// A parcel with its deliveries, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelView {
    pub parcel: Parcel,
    pub deliveries: Vec<LineDelivery>,
}

impl ParcelView {
    /// The entity tag: of what the parcel's seller can change, which is only that pieces under way
    /// are delivered. Their number falls with each such change. Neither a part that joins the parcel
    /// nor a confirmed receipt changes it.
    #[must_use]
    pub fn etag(&self) -> ETag {
        let delivering = |of: &&LineDelivery| of.state == DeliveryState::Delivering;
        let under_way = self.deliveries.iter().filter(delivering);
        ETag::of(&under_way.map(|delivery| delivery.quantity.get()).sum::<u32>())
    }

    /// Whether its deliveries are the results of an attempted write of these, or of later ones.
    pub(super) fn contains_write(&self, attempted: &[LineDelivery]) -> bool {
        let stored = |attempted: &LineDelivery| {
            self.deliveries.iter().any(|delivery| delivery.contains_write(attempted))
        };
        !attempted.is_empty() && attempted.iter().all(stored)
    }
}

/// An error of the use cases of one parcel. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// It doesn't exist, or it is another account's.
    #[error("parcel not found")]
    NotFound,
    #[error(transparent)]
    Changed(#[from] PreconditionFailed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns a parcel with its deliveries.
///
/// # Errors
/// [`ParcelError`] unless the parcel exists and its buyer or seller passes `may_see`.
pub async fn get_parcel(
    store: &impl DeliveryReader,
    parcel: ParcelId,
    may_see: impl Fn(UserId, SellerId) -> bool,
) -> Result<ParcelView, ParcelError> {
    let parcel = store.parcel(parcel).await?;
    let parcel = parcel.filter(|parcel| may_see(parcel.user_id, parcel.seller_id));
    Ok(load_parcel_view(store, parcel.ok_or(ParcelError::NotFound)?).await?)
}

pub(super) async fn load_parcel_view(
    store: &impl DeliveryReader,
    parcel: Parcel,
) -> Result<ParcelView, StoreError> {
    let mut records = store.records(&parcel.delivery_ids).await?;
    let deliveries = parcel.delivery_ids.iter().filter_map(|id| records.remove(id));
    let deliveries = deliveries.filter_map(DeliveryRecord::into_delivery).collect();
    Ok(ParcelView { parcel, deliveries })
}
