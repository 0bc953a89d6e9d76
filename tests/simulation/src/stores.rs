//! The services' ports, with a point of [`crate::io`] before and after every call.

use crate::{
    io::{CallFailure, Io, Kind, Observation, ready},
    lag::LaggingIndex,
};
use rialto_contracts::EventContext;
use rialto_delivery::{
    adapters::memory::MemoryDelivery,
    domain::{
        delivery::{DeliveryRecord, DeliveryUpdate},
        parcel::Parcel,
    },
    ports::{DeliveryReader, DeliveryWriter},
};
use rialto_inventory::{
    adapters::memory::MemoryInventory,
    domain::{
        movement::Movement,
        reservation::{Reservation, ReservationUpdate},
        stock::Stock,
    },
    ports::{AdjustmentRecord, Reservations, ReserveOutcome, StockAdjuster, StockInitializer},
};
use rialto_kernel::{
    Address, AddressId, DeliveryId, DueEntry, DueQueue, OrderId, ParcelId, ProductId, StoreError,
    Timestamp, UserId, Write,
};
use rialto_orders::{
    adapters::memory::MemoryOrders,
    domain::{
        order::{Order, OrderState, OrderUpdate},
        placement_limit::{ClientDigest, CounterKey},
        product::Product,
    },
    ports::{
        AddressBook, FailedPaymentCounter, IdempotencyRecord, OrderLister, OrderPage, OrderPlacer,
        OrderReader, OrderWriter, PlacementCondition, PlacementContext, ProductReplica,
        UnregisteredBuyers,
    },
};
use rialto_payments::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    domain::{
        dispute::{DisputeId, DisputeReport},
        intent::{IntentId, IntentState},
        payment::{Charge, Payment, PaymentUpdate},
        refund::{Refund, RefundProgress},
    },
    ports::{DisputeProvider, PaymentReader, PaymentWriter, Provider, ProviderError},
};
use std::collections::BTreeMap;

/// A port in memory, as one invocation sees it.
#[derive(Debug, Clone)]
pub struct Simulated<T> {
    pub inner: T,
    pub io: Io,
    /// Its indexes, if they lag.
    index: Option<LaggingIndex<T>>,
}

/// The errors of the stores' ports.
fn store_error(kind: Kind, failure: CallFailure) -> StoreError {
    match (failure, kind) {
        (CallFailure::Refused, Kind::Write) => StoreError::Contended,
        (CallFailure::Refused, Kind::Read) => StoreError::Unavailable("throttled".to_owned()),
        (CallFailure::NotSent, _) => StoreError::Unavailable("unreachable".to_owned()),
        (CallFailure::ResponseLost | CallFailure::Unrepeatable, _) => {
            StoreError::Unavailable("no response".to_owned())
        }
    }
}

fn provider_error(failure: CallFailure) -> ProviderError {
    match failure {
        CallFailure::Refused => {
            ProviderError::Busy { reason: "too many requests".to_owned(), retry_after: None }
        }
        CallFailure::NotSent => ProviderError::Unknown("unreachable".to_owned()),
        CallFailure::ResponseLost => ProviderError::Unknown("no response".to_owned()),
        CallFailure::Unrepeatable => ProviderError::Unrepeatable("status 500".to_owned()),
    }
}

impl<T> Simulated<T> {
    #[must_use]
    pub const fn new(inner: T, io: Io) -> Self {
        Self { inner, io, index: None }
    }

    /// With indexes that may be read in an older state.
    pub(crate) fn with_index(inner: T, io: Io, index: &LaggingIndex<T>) -> Self
    where
        T: Clone,
    {
        Self { inner, io, index: Some(index.clone()) }
    }

    /// What an index returns: `read` of an older state, or of the present one.
    fn read_index<R: PartialEq>(
        &self,
        read: impl Fn(&T) -> Result<R, StoreError>,
    ) -> Result<R, StoreError>
    where
        T: Clone,
    {
        let present = read(&self.inner);
        let Some(older) = self.index.as_ref().and_then(LaggingIndex::older) else {
            return present;
        };
        let found = read(&older);
        if found != present {
            self.io.observe(Observation::StaleIndex);
        }
        found
    }

    async fn read<R>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, StoreError> {
        self.io.call(name, Kind::Read, operation, |why| store_error(Kind::Read, why)).await
    }

    async fn write<R>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, StoreError> {
        self.io.call(name, Kind::Write, operation, |why| store_error(Kind::Write, why)).await
    }

    /// A write whose condition may fail.
    async fn write_if<C>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<Write<C>, StoreError>>,
    ) -> Result<Write<C>, StoreError> {
        let observed = async {
            let written = operation.await;
            if matches!(written, Ok(Write::Conflict(_))) {
                self.io.observe(Observation::Conflict);
            }
            written
        };
        self.write(name, observed).await
    }

    async fn request<R>(
        &self,
        name: &'static str,
        kind: Kind,
        operation: impl Future<Output = Result<R, ProviderError>>,
    ) -> Result<R, ProviderError> {
        self.io.call(name, kind, operation, provider_error).await
    }
}

impl OrderPlacer for Simulated<MemoryOrders> {
    async fn load_placement_context(
        &self,
        order: OrderId,
        buyer: UserId,
        products: &[ProductId],
        counters: &[CounterKey],
    ) -> Result<PlacementContext, StoreError> {
        let load = self.inner.load_placement_context(order, buyer, products, counters);
        self.read("orders.load_placement_context", load).await
    }

    async fn insert(
        &self,
        change: &OrderUpdate,
        record: &IdempotencyRecord,
        conditions: &[PlacementCondition],
    ) -> Result<Write, StoreError> {
        self.write_if("orders.insert", self.inner.insert(change, record, conditions)).await
    }
}

/// Not a step of its own: nothing in the saga depends on the counters.
impl FailedPaymentCounter for Simulated<MemoryOrders> {
    async fn count_failed_payment(
        &self,
        buyer: UserId,
        client: Option<&ClientDigest>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.count_failed_payment(buyer, client, now).await
    }
}

impl OrderReader for Simulated<MemoryOrders> {
    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        self.read("orders.order", self.inner.order(order)).await
    }
}

impl OrderWriter for Simulated<MemoryOrders> {
    async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
        self.write_if("orders.save", self.inner.save(change)).await
    }
}

impl<T> DueQueue for Simulated<T>
where
    T: DueQueue + Clone + Send + Sync,
    T::Id: PartialEq + Send + Sync,
{
    type Id = T::Id;
    const SHARDS: u8 = T::SHARDS;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<T::Id>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<T::Id>>, StoreError> {
        let due = async { self.read_index(|store| ready(store.due(shard, now, after, limit))) };
        // A sweep reads all shards side by side: one of them stands for all.
        if shard == 0 { self.read("due", due).await } else { due.await }
    }

    async fn postpone(
        &self,
        entry: &DueEntry<T::Id>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        self.write_if("postpone", self.inner.postpone(entry, until)).await
    }
}

impl OrderLister for Simulated<MemoryOrders> {
    async fn list_by_buyer(
        &self,
        user: UserId,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        let list = async {
            self.read_index(|store| ready(store.list_by_buyer(user, state, limit, position)))
        };
        self.read("orders.list_by_buyer", list).await
    }
}

impl UnregisteredBuyers for Simulated<MemoryOrders> {
    async fn mark_unregistered(&self, buyer: UserId) -> Result<Write, StoreError> {
        self.write("orders.mark_unregistered", self.inner.mark_unregistered(buyer)).await
    }
}

impl ProductReplica for Simulated<MemoryOrders> {
    async fn upsert_if_newer(&self, product: &Product) -> Result<Write, StoreError> {
        self.write("orders.upsert_product", self.inner.upsert_if_newer(product)).await
    }
}

/// The workload's orders have their address inline.
#[derive(Debug, Clone, Copy)]
pub struct NoAddresses;

impl AddressBook for NoAddresses {
    async fn address(&self, _: UserId, _: AddressId) -> Result<Option<Address>, StoreError> {
        Ok(None)
    }
}

impl StockInitializer for Simulated<MemoryInventory> {
    async fn initialize(&self, stock: &Stock, movement: &Movement) -> Result<Write, StoreError> {
        self.write("inventory.initialize", self.inner.initialize(stock, movement)).await
    }
}

impl StockAdjuster for Simulated<MemoryInventory> {
    async fn load(
        &self,
        product: ProductId,
        key: &str,
    ) -> Result<(Option<Stock>, Option<AdjustmentRecord>), StoreError> {
        self.read("inventory.load", self.inner.load(product, key)).await
    }

    async fn adjust(
        &self,
        stock: &Stock,
        movement: &Movement,
        record: &AdjustmentRecord,
        cause: &EventContext,
    ) -> Result<Write, StoreError> {
        self.write_if("inventory.adjust", self.inner.adjust(stock, movement, record, cause)).await
    }
}

impl Reservations for Simulated<MemoryInventory> {
    async fn reservation(&self, order: OrderId) -> Result<Option<Reservation>, StoreError> {
        self.read("inventory.reservation", self.inner.reservation(order)).await
    }

    async fn apply(&self, change: &ReservationUpdate) -> Result<ReserveOutcome, StoreError> {
        let apply = async {
            let applied = self.inner.apply(change).await;
            if applied == Ok(ReserveOutcome::Conflict) {
                self.io.observe(Observation::Conflict);
            }
            applied
        };
        self.write("inventory.apply", apply).await
    }
}

impl DeliveryReader for Simulated<MemoryDelivery> {
    async fn records(
        &self,
        ids: &[DeliveryId],
    ) -> Result<BTreeMap<DeliveryId, DeliveryRecord>, StoreError> {
        self.read("delivery.records", self.inner.records(ids)).await
    }

    async fn parcel(&self, parcel: ParcelId) -> Result<Option<Parcel>, StoreError> {
        self.read("delivery.parcel", self.inner.parcel(parcel)).await
    }
}

impl DeliveryWriter for Simulated<MemoryDelivery> {
    async fn save(&self, update: &DeliveryUpdate) -> Result<Write, StoreError> {
        self.write_if("delivery.save", self.inner.save(update)).await
    }
}

impl PaymentReader for Simulated<MemoryPayments> {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.read("payments.payment", self.inner.payment(order)).await
    }
}

impl PaymentWriter for Simulated<MemoryPayments> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        self.write_if("payments.save", self.inner.save(change)).await
    }
}

impl DisputeProvider for Simulated<MemoryProvider> {
    async fn retrieve_dispute(&self, dispute: &DisputeId) -> Result<DisputeReport, ProviderError> {
        let retrieve = self.inner.retrieve_dispute(dispute);
        self.request("provider.retrieve_dispute", Kind::Read, retrieve).await
    }

    async fn intent_order(&self, intent: &IntentId) -> Result<Option<OrderId>, ProviderError> {
        let retrieve = self.inner.intent_order(intent);
        self.request("provider.intent_order", Kind::Read, retrieve).await
    }
}

impl Provider for Simulated<MemoryProvider> {
    async fn wait_to_repeat(&self, failures: u32, error: &ProviderError) -> bool {
        self.inner.wait_to_repeat(failures, error).await
    }

    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        let create = self.inner.create_intent(order, charge);
        self.request("provider.create_intent", Kind::Write, create).await
    }

    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let retrieve = self.inner.retrieve_intent(intent);
        self.request("provider.retrieve_intent", Kind::Read, retrieve).await
    }

    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let confirm = self.inner.confirm_intent(intent);
        self.request("provider.confirm_intent", Kind::Write, confirm).await
    }

    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let cancel = self.inner.cancel_intent(intent);
        self.request("provider.cancel_intent", Kind::Write, cancel).await
    }

    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let find = async {
            let found = self.inner.find_refund(intent, refund).await;
            if matches!(found, Ok(Some(_))) {
                self.io.observe(Observation::RefundFound);
            }
            found
        };
        self.request("provider.find_refund", Kind::Read, find).await
    }

    async fn create_refund(
        &self,
        order: OrderId,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        let create = self.inner.create_refund(order, intent, refund);
        self.request("provider.create_refund", Kind::Write, create).await
    }
}
