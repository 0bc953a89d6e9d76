//! What lies outside: the service's table, in the pieces that each use case needs.

use crate::domain::{
    movement::Movement,
    reservation::{Reservation, ReservationUpdate},
    stock::Stock,
};
use rialto_contracts::{EventContext, inventory::Shortage};
use rialto_kernel::{OrderId, ProductId, StoreError, Write};

pub trait StockReader {
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn stock(
        &self,
        product: ProductId,
    ) -> impl Future<Output = Result<Option<Stock>, StoreError>> + Send;
}

pub trait StockInitializer {
    /// Writes a product's first stock; [`Write::Conflict`] if it has one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn open(
        &self,
        stock: &Stock,
        movement: &Movement,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// An adjustment that was made: its key, what was asked for, and the answer that was given.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AdjustmentRecord {
    /// H(Idempotency-Key).
    pub key: String,
    pub body_hash: String,
    pub answer: String,
}

pub trait StockAdjuster {
    /// A product's stock, and the adjustment that was made under this key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn load(
        &self,
        product: ProductId,
        key: &str,
    ) -> impl Future<Output = Result<(Option<Stock>, Option<AdjustmentRecord>), StoreError>> + Send;

    /// Writes the adjusted stock over its version before, and what led to it; [`Write::Conflict`] if that, or the key, isn't as it was.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn adjust(
        &self,
        stock: &Stock,
        movement: &Movement,
        record: &AdjustmentRecord,
        cause: &EventContext,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// Movements in order, and where to go on.
pub type MovementPage = (Vec<Movement>, Option<String>);

pub trait MovementReader {
    /// A product's movements, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn movements(
        &self,
        product: ProductId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<MovementPage, StoreError>> + Send;
}

/// What became of a change of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveOutcome {
    Done,
    /// The reservation isn't as the change expected.
    Conflict,
    /// There isn't enough of these.
    InsufficientStock(Vec<Shortage>),
    /// The product's registration wasn't heard of yet.
    UnknownProduct(ProductId),
}

pub trait Reservations {
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn reservation(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Option<Reservation>, StoreError>> + Send;

    /// Writes the reservation, the stock of every product and the movements, or nothing. A change of a reservation
    /// that isn't as expected is a [`Applied::Conflict`], whatever else is wrong with it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] under contention, or when it isn't known whether it was written.
    fn apply(
        &self,
        change: &ReservationUpdate,
    ) -> impl Future<Output = Result<ReserveOutcome, StoreError>> + Send;
}
