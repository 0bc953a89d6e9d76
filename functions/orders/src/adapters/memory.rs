//! The ports in memory, for fast tests and simulation.

use super::{check_list_position, dynamodb::DEADLINES, list_position};
use crate::{
    domain::{
        order::{Order, OrderState, OrderUpdate},
        placement_limit::{
            ClientDigest, Counted, CounterIncrement, CounterKey, FAILED_PAYMENTS_WINDOW,
            counted_subjects,
        },
        product::Product,
    },
    ports::{
        AddressBook, FailedPaymentCounter, IdempotencyRecord, OpenLineReader, OrderLister,
        OrderPage, OrderPlacer, OrderReader, OrderWriter, PlacementContext, ProductReplica,
        UnregisteredBuyers,
    },
};
use rialto_contracts::Event;
use rialto_kernel::{
    Address, AddressId, Counter, DueEntry, DueQueue, Increment, OrderId, PlantedBug, ProductId,
    SellerId, StoreError, Timestamp, UserId, Write,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ports in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryOrders {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    orders: BTreeMap<OrderId, (Order, IdempotencyRecord)>,
    /// When the sweep visits PENDING orders next.
    deadlines: BTreeMap<OrderId, Timestamp>,
    products: BTreeMap<ProductId, Product>,
    unregistered_buyers: BTreeSet<UserId>,
    counters: BTreeMap<CounterKey, Counter>,
    published_events: Vec<Event>,
}

impl MemoryOrders {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy that later writes don't change.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())) }
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

    /// All orders.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.state().orders.values().map(|(order, _)| order.clone()).collect()
    }
}

impl OrderPlacer for MemoryOrders {
    async fn load_placement_context(
        &self,
        order: OrderId,
        buyer: UserId,
        products: &[ProductId],
        counters: &[CounterKey],
    ) -> Result<PlacementContext, StoreError> {
        let state = self.state();
        let product = |id: &ProductId| state.products.get(id).map(|product| (*id, product.clone()));
        Ok(PlacementContext {
            existing: state.orders.get(&order).map(|(_, record)| record.clone()),
            buyer_unregistered: state.unregistered_buyers.contains(&buyer),
            products: products.iter().filter_map(product).collect(),
            counters: counters
                .iter()
                .filter_map(|key| Some((key.clone(), *state.counters.get(key)?)))
                .collect(),
        })
    }

    async fn insert(
        &self,
        change: &OrderUpdate,
        record: &IdempotencyRecord,
        counts: &[CounterIncrement],
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let id = change.order.order_id;
        let conditional = !PlantedBug::PlacementNotConditional.is_planted()
            && !PlantedBug::PlacedAgain.is_planted();
        if conditional && state.orders.contains_key(&id) {
            return Ok(Write::Conflict(()));
        }
        let counted = counts.iter().map(|CounterIncrement { key, increment, now }| {
            Some((key.clone(), increment.apply(state.counters.get(key), *now)?))
        });
        let Some(counted) = counted.collect::<Option<Vec<_>>>() else {
            return Ok(Write::Conflict(()));
        };
        state.counters.extend(counted);
        state.orders.insert(id, (change.order.clone(), record.clone()));
        state.deadlines.insert(id, change.order.expires_at);
        state.published_events.extend(change.events.iter().cloned());
        Ok(Write::Done)
    }
}

impl OrderReader for MemoryOrders {
    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.state().orders.get(&order).map(|(order, _)| order.clone()))
    }
}

impl OrderWriter for MemoryOrders {
    async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
        let mut state = self.state();
        let state = &mut *state;
        match state.orders.get_mut(&change.order.order_id) {
            Some((order, record))
                if order.version + 1 == change.order.version
                    || PlantedBug::OrderVersionNotChecked.is_planted() =>
            {
                *order = change.order.clone();
                if order.address.is_none() {
                    *record = IdempotencyRecord::empty();
                }
                if order.state != OrderState::Pending {
                    state.deadlines.remove(&order.order_id);
                }
                state.published_events.extend(change.events.iter().cloned());
                Ok(Write::Done)
            }
            _ => Ok(Write::Conflict(())),
        }
    }
}

impl FailedPaymentCounter for MemoryOrders {
    async fn count_failed_payment(
        &self,
        buyer: UserId,
        client: Option<&ClientDigest>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        for subject in counted_subjects(buyer, client) {
            let key = CounterKey { counted: Counted::FailedPayments, subject };
            let stored = state.counters.get(&key);
            let increment = Increment::of(stored, u32::MAX, FAILED_PAYMENTS_WINDOW, now);
            if let Some(counter) = increment.apply(stored, now) {
                state.counters.insert(key, counter);
            }
        }
        Ok(())
    }
}

impl OrderLister for MemoryOrders {
    async fn list_by_buyer(
        &self,
        user: UserId,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let mut orders: Vec<Order> = self
            .state()
            .orders
            .values()
            .map(|(order, _)| order)
            .filter(|order| order.user_id == user && state.is_none_or(|state| state == order.state))
            .filter(|order| position.is_none_or(|last| list_position(order).as_str() < last))
            .cloned()
            .collect();
        orders.sort_by_key(|order| std::cmp::Reverse(list_position(order)));
        let more = orders.len() > limit as usize;
        orders.truncate(limit as usize);
        let next = orders.last().filter(|_| more).map(list_position);
        Ok((orders, next))
    }
}

impl DueQueue for MemoryOrders {
    type Id = OrderId;
    const SHARDS: u8 = DEADLINES.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<OrderId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        let state = self.state();
        let entries = state.deadlines.iter().map(|(&id, &deadline)| DueEntry { deadline, id });
        Ok(DEADLINES.select(entries, shard, now, after, limit))
    }

    async fn postpone(
        &self,
        entry: &DueEntry<OrderId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        match self.state().deadlines.get_mut(&entry.id) {
            Some(deadline) if *deadline == entry.deadline => {
                *deadline = until;
                Ok(Write::Done)
            }
            _ => Ok(Write::Conflict(())),
        }
    }
}

impl OpenLineReader for MemoryOrders {
    async fn has_open_lines(&self, seller: SellerId) -> Result<bool, StoreError> {
        Ok(self
            .state()
            .orders
            .values()
            .any(|(order, _)| order.sellers_with_open_lines().contains(&seller)))
    }
}

/// A fixed address book.
#[derive(Debug, Clone, Default)]
pub struct MemoryAddresses(pub BTreeMap<(UserId, AddressId), Address>);

impl AddressBook for MemoryAddresses {
    async fn address(
        &self,
        user: UserId,
        address: AddressId,
    ) -> Result<Option<Address>, StoreError> {
        Ok(self.0.get(&(user, address)).cloned())
    }
}

impl UnregisteredBuyers for MemoryOrders {
    async fn mark_unregistered(&self, buyer: UserId) -> Result<Write, StoreError> {
        let inserted = self.state().unregistered_buyers.insert(buyer);
        Ok(if inserted { Write::Done } else { Write::Conflict(()) })
    }
}

impl ProductReplica for MemoryOrders {
    async fn upsert_if_newer(&self, product: &Product) -> Result<Write, StoreError> {
        let mut state = self.state();
        let newest = state
            .products
            .get(&product.product_id)
            .is_none_or(|stored| stored.version < product.version)
            || PlantedBug::ProductVersionNotCompared.is_planted();
        if newest {
            state.products.insert(product.product_id, product.clone());
        }
        Ok(if newest { Write::Done } else { Write::Conflict(()) })
    }
}
