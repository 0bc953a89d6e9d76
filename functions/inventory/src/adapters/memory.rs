//! The ports in memory, for fast tests and simulation.

use crate::{
    domain::{
        movement::Movement,
        reservation::{Reservation, ReservationUpdate, StockChange},
        stock::Stock,
    },
    ports::{
        AdjustmentRecord, MovementPage, MovementReader, Reservations, ReserveOutcome,
        StockAdjuster, StockInitializer, StockReader,
    },
};
use rialto_contracts::{Event, EventContext, inventory::Shortage};
use rialto_kernel::{OrderId, PlantedBug, ProductId, StoreError, Write};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ports in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryInventory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    stocks: BTreeMap<ProductId, Stock>,
    movements: Vec<Movement>,
    adjustments: BTreeMap<(ProductId, String), AdjustmentRecord>,
    reservations: BTreeMap<OrderId, Reservation>,
    published_events: Vec<Event>,
}

impl MemoryInventory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event written, in order.
    #[must_use]
    pub fn published_events(&self) -> Vec<Event> {
        self.state().published_events.clone()
    }

    /// The events written after the first `start`, in order.
    #[must_use]
    pub fn published_events_from(&self, start: usize) -> Vec<Event> {
        self.state().published_events.get(start..).unwrap_or_default().to_vec()
    }

    /// The stock of all products.
    #[must_use]
    pub fn stocks(&self) -> Vec<Stock> {
        self.state().stocks.values().cloned().collect()
    }

    /// The movements of all products, oldest first.
    #[must_use]
    pub fn all_movements(&self) -> Vec<Movement> {
        self.state().movements.clone()
    }

    /// All reservations.
    #[must_use]
    pub fn reservations(&self) -> Vec<Reservation> {
        self.state().reservations.values().cloned().collect()
    }
}

impl StockReader for MemoryInventory {
    async fn stock(&self, product: ProductId) -> Result<Option<Stock>, StoreError> {
        Ok(self.state().stocks.get(&product).cloned())
    }
}

impl StockInitializer for MemoryInventory {
    async fn initialize(&self, stock: &Stock, movement: &Movement) -> Result<Write, StoreError> {
        let mut state = self.state();
        if state.stocks.contains_key(&stock.product_id)
            && !PlantedBug::StockInitializedTwice.is_planted()
        {
            return Ok(Write::Conflict(()));
        }
        state.stocks.insert(stock.product_id, stock.clone());
        state.movements.push(movement.clone());
        Ok(Write::Done)
    }
}

impl StockAdjuster for MemoryInventory {
    async fn load(
        &self,
        product: ProductId,
        key: &str,
    ) -> Result<(Option<Stock>, Option<AdjustmentRecord>), StoreError> {
        let state = self.state();
        let record = state.adjustments.get(&(product, key.to_owned())).cloned();
        Ok((state.stocks.get(&product).cloned(), record))
    }

    async fn adjust(
        &self,
        stock: &Stock,
        movement: &Movement,
        record: &AdjustmentRecord,
        _: &EventContext,
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let key = (stock.product_id, record.key.clone());
        let version = state.stocks.get(&stock.product_id).map(|stock| stock.version);
        let changed = version != Some(stock.version - 1)
            && !PlantedBug::AdjustmentNotConditional.is_planted();
        let applied =
            state.adjustments.contains_key(&key) && !PlantedBug::AdjustedTwice.is_planted();
        if changed || applied {
            return Ok(Write::Conflict(()));
        }
        state.stocks.insert(stock.product_id, stock.clone());
        state.movements.push(movement.clone());
        state.adjustments.insert(key, record.clone());
        Ok(Write::Done)
    }
}

impl MovementReader for MemoryInventory {
    async fn movements(
        &self,
        product: ProductId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<MovementPage, StoreError> {
        let state = self.state();
        let mut movements: Vec<_> = state
            .movements
            .iter()
            .filter(|movement| movement.product_id == product)
            .cloned()
            .collect();
        movements.sort_by_key(|movement| std::cmp::Reverse(movement.movement_id));
        movements.retain(|movement| {
            position.is_none_or(|last| movement.movement_id.to_string().as_str() < last)
        });
        let more = movements.len() > limit as usize;
        movements.truncate(limit as usize);
        let next =
            movements.last().filter(|_| more).map(|movement| movement.movement_id.to_string());
        Ok((movements, next))
    }
}

impl Reservations for MemoryInventory {
    async fn reservation(&self, order: OrderId) -> Result<Option<Reservation>, StoreError> {
        Ok(self.state().reservations.get(&order).cloned())
    }

    async fn apply(&self, change: &ReservationUpdate) -> Result<ReserveOutcome, StoreError> {
        let mut state = self.state();
        let order = change.reservation.order_id;
        let stored = state.reservations.get(&order).map(|reservation| reservation.version);
        if stored != change.expected && !PlantedBug::ReservationNotConditional.is_planted() {
            return Ok(ReserveOutcome::Conflict);
        }
        let mut stocks = state.stocks.clone();
        let mut shortages = Vec::new();
        for stock_change in change.stock_changes() {
            let product_id = stock_change.product_id;
            let Some(stock) = stocks.get_mut(&product_id) else {
                return Ok(ReserveOutcome::UnknownProduct(product_id));
            };
            match changed(stock, &stock_change) {
                Some(changed) => *stock = changed,
                None => shortages.push(Shortage {
                    product_id,
                    wanted: u32::try_from(-stock_change.available).unwrap_or(0),
                    available: u32::try_from(stock.available).unwrap_or(u32::MAX),
                }),
            }
        }
        if !shortages.is_empty() {
            if PlantedBug::PartialReservationKept.is_planted() {
                state.stocks = stocks;
            }
            return Ok(ReserveOutcome::InsufficientStock(shortages));
        }
        state.stocks = stocks;
        state.movements.extend(change.movements.iter().cloned());
        state.published_events.extend(change.events.iter().cloned());
        state.reservations.insert(order, change.reservation.clone());
        Ok(ReserveOutcome::Done)
    }
}

/// The stock after a change; none if a number would go below zero.
fn changed(stock: &Stock, change: &StockChange) -> Option<Stock> {
    let oversold = || PlantedBug::StockOversold.is_planted().then_some(0);
    Some(Stock {
        available: stock.available.checked_add_signed(change.available).or_else(oversold)?,
        reserved: stock.reserved.checked_add_signed(change.reserved)?,
        sold: stock.sold.checked_add_signed(change.sold)?,
        version: stock.version + 1,
        ..stock.clone()
    })
}
