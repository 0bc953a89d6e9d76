//! What lies outside: the service's table, in the pieces that each use case needs.

use crate::domain::{
    order::{Order, OrderState, OrderUpdate},
    product::Product,
};
use rialto_kernel::{
    Address, AddressId, OrderId, ProductId, SellerId, StoreError, Timestamp, UserId, Write,
};
use std::collections::HashMap;

/// What the first placing of an order left for its repetitions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdempotencyRecord {
    pub body_hash: String,
    /// The answer that was given, to the byte. Empty, as the hash is, once the buyer's address is forgotten.
    #[serde(rename = "answer")]
    pub response_body: String,
}

/// All that placing an order depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementContext {
    /// The order of this id, if it was placed before.
    pub placed: Option<IdempotencyRecord>,
    /// The buyer is unregistered.
    pub buyer_gone: bool,
    /// Those of the products that orders knows.
    pub products: HashMap<ProductId, Product>,
}

pub trait OrderPlacer {
    /// One read of the order's id, its buyer and all products together.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn load_placement_context(
        &self,
        order: OrderId,
        buyer: UserId,
        products: &[ProductId],
    ) -> impl Future<Output = Result<PlacementContext, StoreError>> + Send;

    /// Writes a new order with its events; [`Write::Conflict`] if its id is taken.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn insert(
        &self,
        change: &OrderUpdate,
        placing: &IdempotencyRecord,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// The addresses that buyers keep with accounts.
pub trait AddressBook {
    /// Nothing if the buyer has no such address.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when accounts doesn't answer.
    fn address(
        &self,
        user: UserId,
        address: AddressId,
    ) -> impl Future<Output = Result<Option<Address>, StoreError>> + Send;
}

pub trait OrderReader {
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn order(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Option<Order>, StoreError>> + Send;
}

pub trait OrderWriter: OrderReader {
    /// Writes the order over its version before; [`Write::Conflict`] if that isn't what is there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn save(&self, change: &OrderUpdate) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait ExpiredOrders {
    /// PENDING orders that were to be settled by `now`, `limit` at most: as an index has them, which may lag.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn due_before(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<OrderId>, StoreError>> + Send;
}

/// Orders, and where to go on.
pub type OrderPage = (Vec<Order>, Option<String>);

pub trait OrderLister {
    /// A buyer's orders, newest first; those in `state`, if one is given. A page may be short though there is more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn list_by_buyer(
        &self,
        user: UserId,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<OrderPage, StoreError>> + Send;
}

pub trait OpenLineReader {
    /// Whether this seller has a line that hasn't ended, in an order that is CONFIRMED.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn has_open_lines(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

pub trait UnregisteredBuyers {
    /// Keeps that a buyer is unregistered, for orders that are placed later; [`Write::Conflict`] if that is known.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn mark_unregistered(
        &self,
        buyer: UserId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait ProductReplica {
    /// Keeps this copy of a product; [`Write::Conflict`] if a copy as new or newer is there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn upsert_if_newer(
        &self,
        product: &Product,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
