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
        timeline::TimelinePart,
    },
    ports::{
        AddressBook, AllOrdersLister, FailedPaymentCounter, IdempotencyRecord, OpenLineReader,
        OrderLister, OrderPage, OrderPlacer, OrderReader, OrderWriter, PlacementCondition,
        PlacementContext, ProductReplica, SellerOrderLister, TimelineReader, UnregisteredBuyers,
    },
};
use rialto_contracts::{Event, orders::OrderLineState};
use rialto_dynamo::MemoryDueList;
use rialto_kernel::{
    Address, AddressId, Counter, DueEntry, DueQueue, Increment, OrderId, OrderNumber, PlantedBug,
    ProductId, SellerId, StoreError, Timestamp, UserId, Write,
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
    timeline_parts: BTreeMap<OrderId, Vec<TimelinePart>>,
    /// When the sweep visits orders next.
    deadlines: MemoryDueList<OrderId>,
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

    /// A page of the orders that match, newest first.
    fn page(
        &self,
        limit: u32,
        position: Option<&str>,
        matches: impl Fn(&Order) -> bool,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let matches = |order: &&Order| {
            matches(order) && position.is_none_or(|last| list_position(order).as_str() < last)
        };
        let state = self.state();
        let stored = state.orders.values().map(|(order, _)| order);
        let mut orders: Vec<Order> = stored.filter(matches).cloned().collect();
        orders.sort_by_key(|order| std::cmp::Reverse(list_position(order)));
        let more = orders.len() > limit as usize;
        orders.truncate(limit as usize);
        let next = orders.last().filter(|_| more).map(list_position);
        Ok((orders, next))
    }

    /// All orders, with their complete timelines.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        let state = self.state();
        let complete = |(order, _): &(Order, IdempotencyRecord)| {
            let mut order = order.clone();
            let parts = state.timeline_parts.get(&order.order_id);
            parts.into_iter().flatten().for_each(|part| order.restore(part.clone()));
            order
        };
        state.orders.values().map(complete).collect()
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
        conditions: &[PlacementCondition],
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let id = change.order.order_id;
        let conditional = !PlantedBug::PlacementNotConditional.is_planted()
            && !PlantedBug::PlacedAgain.is_planted();
        if conditional && state.orders.contains_key(&id) {
            return Ok(Write::Conflict(()));
        }
        let mut counted = Vec::new();
        for condition in conditions {
            match condition {
                PlacementCondition::Count(CounterIncrement { key, increment, now }) => {
                    let Some(counter) = increment.apply(state.counters.get(key), *now) else {
                        return Ok(Write::Conflict(()));
                    };
                    counted.push((key.clone(), counter));
                }
                PlacementCondition::RegisteredBuyer => {
                    if state.unregistered_buyers.contains(&change.order.user_id) {
                        return Ok(Write::Conflict(()));
                    }
                }
            }
        }
        state.counters.extend(counted);
        state.orders.insert(id, (change.order.clone(), record.clone()));
        state.deadlines.set(id, Some(change.order.expires_at));
        state.published_events.extend(change.events.iter().cloned());
        Ok(Write::Done)
    }
}

impl OrderReader for MemoryOrders {
    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.state().orders.get(&order).map(|(order, _)| order.clone()))
    }
}

impl TimelineReader for MemoryOrders {
    async fn archived_timeline(&self, order: &Order) -> Result<Vec<TimelinePart>, StoreError> {
        Ok(self.state().timeline_parts.get(&order.order_id).cloned().unwrap_or_default())
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
                let (newest, parts) = change.order.archive_timeline();
                *order = newest.into_owned();
                state.timeline_parts.entry(order.order_id).or_default().extend(parts);
                if order.address.is_none() {
                    *record = IdempotencyRecord::empty();
                }
                state.deadlines.set(order.order_id, order.deadline());
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
        self.page(limit, position, |order| order.user_id == user && order.is_in(state))
    }
}

impl AllOrdersLister for MemoryOrders {
    async fn list_all(
        &self,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        self.page(limit, position, |order| order.is_in(state))
    }

    async fn list_by_number(
        &self,
        number: &OrderNumber,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        self.page(limit, position, |order| order.number() == *number && order.is_in(state))
    }
}

impl SellerOrderLister for MemoryOrders {
    async fn list_by_seller(
        &self,
        seller: SellerId,
        state: Option<OrderLineState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        let matches = |order: &Order| order.was_confirmed() && order.has_line_of(seller, state);
        self.page(limit, position, matches)
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
        Ok(self.state().deadlines.due(&DEADLINES, shard, now, after, limit))
    }

    async fn postpone(
        &self,
        entry: &DueEntry<OrderId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        Ok(self.state().deadlines.postpone(entry, until))
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
