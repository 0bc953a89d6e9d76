//! Ports: one small trait per use case, implemented by `adapters`.
//!
//! Every method fails with [`StoreError`] if the store can't be read, or if the outcome of a write
//! is unknown. Futures are `Send`, because the Lambda runtime polls them on any thread.

use crate::domain::{
    movement::Movement,
    reservation::{Reservation, ReservationUpdate},
    stock::Stock,
};
use rialto_contracts::{EventContext, inventory::Shortage};
use rialto_kernel::{OrderId, ProductId, StoreError, Write};

pub trait StockReader {
    fn stock(
        &self,
        product: ProductId,
    ) -> impl Future<Output = Result<Option<Stock>, StoreError>> + Send;
}

pub trait StockInitializer {
    /// Stores a new product's stock; [`Write::Conflict`] if the product has one.
    fn initialize(
        &self,
        stock: &Stock,
        movement: &Movement,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// An applied adjustment: its key, the digest of its request and its response body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AdjustmentRecord {
    /// The hash of the Idempotency-Key.
    pub key: String,
    pub body_hash: String,
    #[serde(rename = "answer")]
    pub response_body: String,
}

pub trait StockAdjuster {
    /// Loads a product's stock, and the adjustment applied under `key`.
    fn load(
        &self,
        product: ProductId,
        key: &str,
    ) -> impl Future<Output = Result<(Option<Stock>, Option<AdjustmentRecord>), StoreError>> + Send;

    /// Stores the adjusted stock, its movement and its record; [`Write::Conflict`] if the stock's
    /// version has changed or the key was used.
    fn adjust(
        &self,
        stock: &Stock,
        movement: &Movement,
        record: &AdjustmentRecord,
        cause: &EventContext,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// Movements in order, and the position after which the next page begins.
pub type MovementPage = (Vec<Movement>, Option<String>);

pub trait MovementReader {
    /// A product's movements, newest first.
    fn movements(
        &self,
        product: ProductId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<MovementPage, StoreError>> + Send;
}

/// The outcome of writing a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveOutcome {
    Done,
    /// The stored reservation isn't the expected one.
    Conflict,
    /// The stock of these products is too low.
    InsufficientStock(Vec<Shortage>),
    /// The product's registration hasn't arrived yet.
    UnknownProduct(ProductId),
}

pub trait Reservations {
    fn reservation(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Option<Reservation>, StoreError>> + Send;

    /// Stores the reservation, the stock of every product and the movements, or nothing. An
    /// unexpected reservation gives [`ReserveOutcome::Conflict`], whatever the stock.
    fn apply(
        &self,
        change: &ReservationUpdate,
    ) -> impl Future<Output = Result<ReserveOutcome, StoreError>> + Send;
}
