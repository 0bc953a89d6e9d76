//! Parcels: several deliveries of one order that were sent together.

use rialto_kernel::{DeliveryId, OrderId, ParcelId, SellerId, Timestamp, UserId, digest};
use serde::{Deserialize, Serialize};

/// A parcel. The states of its deliveries are theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    pub parcel_id: ParcelId,
    pub order_id: OrderId,
    pub user_id: UserId,
    pub seller_id: SellerId,
    /// With those of parts that were split off later.
    pub delivery_ids: Vec<DeliveryId>,
    pub carrier: String,
    pub tracking_number: String,
    /// The digest of the request that made it, for repeated requests.
    pub body_hash: String,
    pub created_at: Timestamp,
    pub version: u64,
}

/// The id of the parcel that a seller makes under an Idempotency-Key.
#[must_use]
pub fn parcel_id(seller: SellerId, idempotency_key: &str) -> ParcelId {
    ParcelId::derive(&[seller.to_string().as_bytes(), idempotency_key.as_bytes()])
}

/// The digest of a request for a parcel.
#[must_use]
pub fn body_hash(delivery_ids: &[DeliveryId], carrier: &str, tracking_number: &str) -> String {
    let ids: Vec<String> = delivery_ids.iter().map(ToString::to_string).collect();
    let parts = [ids.join(" ").into_bytes(), carrier.into(), tracking_number.into()];
    digest::hex(&digest::sha256(&parts.each_ref().map(Vec::as_slice)))
}

impl Parcel {
    /// Its next version, with parts that were split off its deliveries.
    #[must_use]
    pub fn with_parts(mut self, parts: &[DeliveryId]) -> Self {
        self.delivery_ids.extend(parts);
        self.version += 1;
        self
    }
}
