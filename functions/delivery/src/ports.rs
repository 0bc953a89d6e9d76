//! Ports: small traits, implemented by `adapters`. The sweep's is
//! [`DueQueue`](rialto_kernel::DueQueue): deliveries by the time at which it takes them further.
//!
//! Every method fails with [`StoreError`] if the store or the called service can't be reached, or
//! if the outcome of a write is unknown. Futures are `Send`, because the Lambda runtime polls them
//! on any thread.

use crate::domain::{
    delivery::{DeliveryRecord, DeliveryUpdate, LineDelivery},
    parcel::Parcel,
};
use rialto_kernel::{Address, DeliveryId, OrderId, ParcelId, SellerId, StoreError, UserId, Write};
use std::collections::BTreeMap;

pub trait DeliveryReader {
    /// The records of these ids, those that exist.
    fn records(
        &self,
        ids: &[DeliveryId],
    ) -> impl Future<Output = Result<BTreeMap<DeliveryId, DeliveryRecord>, StoreError>> + Send;

    fn parcel(
        &self,
        parcel: ParcelId,
    ) -> impl Future<Output = Result<Option<Parcel>, StoreError>> + Send;
}

pub trait DeliveryWriter: DeliveryReader {
    /// Stores every record and parcel with the events, or nothing; [`Write::Conflict`] if the
    /// stored version of one isn't the previous one. There is something to store.
    fn save(
        &self,
        update: &DeliveryUpdate,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// Deliveries, and the position after which the next page begins.
pub type DeliveryPage = (Vec<LineDelivery>, Option<String>);

/// Lists by time, newest first. A page may be short although another one follows.
pub trait DeliveryLister {
    /// What is under way for a buyer: neither CONFIRMED nor CANCELLED.
    fn list_under_way(
        &self,
        user: UserId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<DeliveryPage, StoreError>> + Send;

    /// All deliveries of a seller.
    fn list_by_seller(
        &self,
        seller: SellerId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<DeliveryPage, StoreError>> + Send;
}

/// The addresses of orders, which orders owns.
pub trait OrderAddresses {
    /// An order's address; `None` once it was erased.
    fn address(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Option<Address>, StoreError>> + Send;
}
