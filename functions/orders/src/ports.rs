//! Ports: one small trait per use case, implemented by `adapters`. The sweep's is
//! [`DueQueue`](rialto_kernel::DueQueue): PENDING orders by their deadline.
//!
//! Every method fails with [`StoreError`] if the store or the called service can't be reached, or
//! if the outcome of a write is unknown. Futures are `Send`, because the Lambda runtime polls them
//! on any thread.

use crate::domain::{
    order::{Order, OrderState, OrderUpdate},
    placement_limit::{ClientDigest, CounterIncrement, CounterKey},
    product::Product,
    timeline::TimelinePart,
};
use rialto_contracts::orders::OrderLineState;
use rialto_kernel::{
    Address, AddressId, Counter, OrderId, OrderNumber, ProductId, SellerId, StoreError, Timestamp,
    UserId, Write,
};
use std::collections::HashMap;

/// The digest of the request that placed an order, and its response body, for repeated requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdempotencyRecord {
    pub body_hash: String,
    /// The exact response body. Emptied, like the hash, when the address is erased.
    #[serde(rename = "answer")]
    pub response_body: String,
}

impl IdempotencyRecord {
    /// The record of an order whose address was erased. It matches no request.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }
}

/// Everything that the placement of an order depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementContext {
    /// The record of the order with this id, if it was placed before.
    pub existing: Option<IdempotencyRecord>,
    pub buyer_unregistered: bool,
    /// The requested products that orders has a copy of.
    pub products: HashMap<ProductId, Product>,
    /// The requested counters that exist. Their windows may have ended.
    pub counters: HashMap<CounterKey, Counter>,
}

/// What the insertion of an order requires, or counts, in the same write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlacementCondition {
    /// Counts the order; the counter must be in the same window and below its limit.
    Count(CounterIncrement),
    /// The buyer must still be registered.
    RegisteredBuyer,
}

pub trait OrderPlacer {
    /// Reads the order, its buyer, all products and counters in one batch.
    fn load_placement_context(
        &self,
        order: OrderId,
        buyer: UserId,
        products: &[ProductId],
        counters: &[CounterKey],
    ) -> impl Future<Output = Result<PlacementContext, StoreError>> + Send;

    /// Stores a new order with its events and counts it, all or nothing; [`Write::Conflict`] if its
    /// id is taken, or if a condition isn't met any more.
    fn insert(
        &self,
        change: &OrderUpdate,
        record: &IdempotencyRecord,
        conditions: &[PlacementCondition],
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// The buyers' saved addresses, which accounts owns.
pub trait AddressBook {
    /// A buyer's saved address; `None` if the buyer has none with this id.
    fn address(
        &self,
        user: UserId,
        address: AddressId,
    ) -> impl Future<Output = Result<Option<Address>, StoreError>> + Send;
}

pub trait OrderReader {
    fn order(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Option<Order>, StoreError>> + Send;
}

pub trait TimelineReader {
    /// The parts of the order's timeline that aren't in its own item, oldest first.
    fn archived_timeline(
        &self,
        order: &Order,
    ) -> impl Future<Output = Result<Vec<TimelinePart>, StoreError>> + Send;
}

pub trait OrderWriter: OrderReader {
    /// Replaces the order's previous version and stores its events; [`Write::Conflict`] if the
    /// stored version is another one. Entries of the timeline beyond the newest are moved to parts
    /// by the same write.
    fn save(&self, change: &OrderUpdate) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait FailedPaymentCounter {
    /// Counts a failed payment of an order for its buyer and its client.
    fn count_failed_payment(
        &self,
        buyer: UserId,
        client: Option<&ClientDigest>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Orders, and the position after which the next page begins.
pub type OrderPage = (Vec<Order>, Option<String>);

pub trait OrderLister {
    /// A buyer's orders, newest first, optionally only those in `state`. A page may be short
    /// although another one follows.
    fn list_by_buyer(
        &self,
        user: UserId,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<OrderPage, StoreError>> + Send;
}

pub trait AllOrdersLister {
    /// All orders, newest first, optionally only those in `state`. A page may be short, or empty,
    /// although another one follows.
    fn list_all(
        &self,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<OrderPage, StoreError>> + Send;

    /// The orders with an order number, newest first, optionally only those in `state`.
    fn list_by_number(
        &self,
        number: &OrderNumber,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<OrderPage, StoreError>> + Send;
}

pub trait SellerOrderLister {
    /// The orders that were confirmed and have a line of this seller, optionally a line in `state`,
    /// newest first. A page may be short, or empty, although another one follows.
    fn list_by_seller(
        &self,
        seller: SellerId,
        state: Option<OrderLineState>,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<OrderPage, StoreError>> + Send;
}

pub trait OpenLineReader {
    /// Whether a CONFIRMED order has an open line of this seller.
    fn has_open_lines(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

pub trait UnregisteredBuyers {
    /// Records that a buyer is unregistered, for orders that are placed later; [`Write::Conflict`]
    /// if it was recorded before.
    fn mark_unregistered(
        &self,
        buyer: UserId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait ProductReplica {
    /// Stores a copy of a product; [`Write::Conflict`] if the stored copy is as new or newer.
    fn upsert_if_newer(
        &self,
        product: &Product,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
