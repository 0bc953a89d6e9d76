//! The ports in memory, for fast tests and simulation.

use super::{check_list_position, dynamodb::DEADLINES, list_position};
use crate::{
    domain::{
        delivery::{DeliveryRecord, DeliveryUpdate, LineDelivery},
        parcel::Parcel,
    },
    ports::{DeliveryLister, DeliveryPage, DeliveryReader, DeliveryWriter, OrderAddresses},
};
use rialto_contracts::Event;
use rialto_dynamo::MemoryDueList;
use rialto_kernel::{
    Address, DeliveryId, DueEntry, DueQueue, OrderId, ParcelId, SellerId, StoreError, Timestamp,
    UserId, Write,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ports in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryDelivery {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    records: BTreeMap<DeliveryId, DeliveryRecord>,
    parcels: BTreeMap<ParcelId, Parcel>,
    /// When the sweep visits deliveries next.
    deadlines: MemoryDueList<DeliveryId>,
    published_events: Vec<Event>,
}

impl MemoryDelivery {
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

    /// The deliveries of all confirmed orders.
    #[must_use]
    pub fn deliveries(&self) -> Vec<LineDelivery> {
        let state = self.state();
        state.records.values().cloned().filter_map(DeliveryRecord::into_delivery).collect()
    }

    /// All parcels.
    #[must_use]
    pub fn parcels(&self) -> Vec<Parcel> {
        self.state().parcels.values().cloned().collect()
    }
}

impl DeliveryReader for MemoryDelivery {
    async fn records(
        &self,
        ids: &[DeliveryId],
    ) -> Result<BTreeMap<DeliveryId, DeliveryRecord>, StoreError> {
        let state = self.state();
        let record = |id: &DeliveryId| Some((*id, state.records.get(id)?.clone()));
        Ok(ids.iter().filter_map(record).collect())
    }

    async fn parcel(&self, parcel: ParcelId) -> Result<Option<Parcel>, StoreError> {
        Ok(self.state().parcels.get(&parcel).cloned())
    }
}

impl DeliveryWriter for MemoryDelivery {
    async fn save(&self, update: &DeliveryUpdate) -> Result<Write, StoreError> {
        let mut state = self.state();
        let is_next = |stored: Option<u64>, version: u64| stored.unwrap_or(0) + 1 == version;
        let current = update.deliveries.iter().all(|write| {
            let stored = state.records.get(&write.record.delivery_id());
            is_next(stored.map(DeliveryRecord::version), write.record.version())
        }) && update.parcels.iter().all(|parcel| {
            let stored = state.parcels.get(&parcel.parcel_id);
            is_next(stored.map(|parcel| parcel.version), parcel.version)
        });
        if !current {
            return Ok(Write::Conflict(()));
        }
        for write in &update.deliveries {
            let id = write.record.delivery_id();
            let due_at = match &write.record {
                DeliveryRecord::Expected(_) => None,
                DeliveryRecord::Prepared(delivery) => delivery.due_at,
            };
            state.deadlines.set(id, due_at);
            state.records.insert(write.record.delivery_id(), write.record.clone());
            state.published_events.extend(write.events.iter().cloned());
        }
        let parcels = update.parcels.iter().map(|parcel| (parcel.parcel_id, parcel.clone()));
        state.parcels.extend(parcels);
        Ok(Write::Done)
    }
}

/// A page of these deliveries, newest first.
fn page(
    deliveries: impl Iterator<Item = LineDelivery>,
    limit: u32,
    position: Option<&str>,
) -> Result<DeliveryPage, StoreError> {
    check_list_position(position)?;
    let mut deliveries: Vec<_> = deliveries
        .filter(|delivery| position.is_none_or(|last| list_position(delivery).as_str() < last))
        .collect();
    deliveries.sort_by_key(|delivery| std::cmp::Reverse(list_position(delivery)));
    let more = deliveries.len() > limit as usize;
    deliveries.truncate(limit as usize);
    let next = deliveries.last().filter(|_| more).map(list_position);
    Ok((deliveries, next))
}

impl DeliveryLister for MemoryDelivery {
    async fn list_under_way(
        &self,
        user: UserId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        let deliveries = self.deliveries().into_iter();
        let under_way = deliveries.filter(|of| of.user_id == user && !of.state.is_final());
        page(under_way, limit, position)
    }

    async fn list_by_seller(
        &self,
        seller: SellerId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        let deliveries = self.deliveries().into_iter();
        page(deliveries.filter(|of| of.seller_id == seller), limit, position)
    }
}

impl DueQueue for MemoryDelivery {
    type Id = DeliveryId;
    const SHARDS: u8 = DEADLINES.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<DeliveryId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<DeliveryId>>, StoreError> {
        Ok(self.state().deadlines.due(&DEADLINES, shard, now, after, limit))
    }

    async fn postpone(
        &self,
        entry: &DueEntry<DeliveryId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        Ok(self.state().deadlines.postpone(entry, until))
    }
}

/// Fixed addresses of orders; `None` if orders is unavailable.
#[derive(Debug, Clone, Default)]
pub struct MemoryOrderAddresses(pub Option<BTreeMap<OrderId, Address>>);

impl OrderAddresses for MemoryOrderAddresses {
    async fn address(&self, order: OrderId) -> Result<Option<Address>, StoreError> {
        let unavailable = || StoreError::Unavailable("orders".to_owned());
        Ok(self.0.as_ref().ok_or_else(unavailable)?.get(&order).cloned())
    }
}
