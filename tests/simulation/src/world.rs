//! The state of a run.

use crate::{
    check::Violation,
    faults::{Fault, Policy},
    invocations::Invocation,
    io::{Board, InvocationId},
    lag::LaggingIndex,
    queues::{Consumer, Queues, Rules},
    races::Races,
    workload::{Operation, Workload},
};
use rialto_contracts::Event;
use rialto_delivery::adapters::memory::MemoryDelivery;
use rialto_inventory::adapters::memory::MemoryInventory;
use rialto_kernel::{Timestamp, UserId};
use rialto_lambda::telemetry::Trace;
use rialto_orders::adapters::memory::MemoryOrders;
use rialto_payments::adapters::memory::{MemoryPayments, MemoryProvider};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// The start of every run.
const START: i64 = 1_800_000_000_000;

/// A source of events with a position up to which they were relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Upstream,
    Orders,
    Inventory,
    Payments,
    Delivery,
}

pub(crate) const SOURCES: [Source; 5] =
    [Source::Upstream, Source::Orders, Source::Inventory, Source::Payments, Source::Delivery];

/// One run.
pub struct World {
    pub orders: MemoryOrders,
    pub inventory: MemoryInventory,
    pub payments: MemoryPayments,
    pub provider: MemoryProvider,
    pub delivery: MemoryDelivery,
    pub queues: Queues,
    pub workload: Workload,
    pub unregistered: BTreeSet<UserId>,
    pub races: Races,
    /// Violations that were noticed during the run.
    pub complaints: Vec<Violation>,
    /// The steps, if they are recorded.
    pub trace: Option<Vec<String>>,
    /// The number of points that were reached.
    pub points: u32,
    pub steps: usize,
    pub(crate) policy: Policy,
    pub(crate) now: Arc<AtomicI64>,
    pub(crate) board: Board,
    pub(crate) rules: Arc<Rules>,
    /// Events of accounts and catalog, which aren't simulated.
    pub(crate) upstream: Vec<Event>,
    pub(crate) relayed: [usize; SOURCES.len()],
    pub(crate) invocations: BTreeMap<InvocationId, Invocation>,
    pub(crate) next_invocation: InvocationId,
    pub(crate) next_operation: usize,
    /// Webhooks that the provider sends until they are answered.
    pub(crate) webhooks: Vec<Operation>,
    pub(crate) orders_index: LaggingIndex<MemoryOrders>,
    pub(crate) payments_index: LaggingIndex<MemoryPayments>,
    pub(crate) delivery_index: LaggingIndex<MemoryDelivery>,
    /// The answers to adjustments by product and Idempotency-Key.
    pub(crate) adjusted: BTreeMap<(usize, String), String>,
    /// The latest sequence that a consumer has handled of an aggregate's events.
    pub(crate) handled: BTreeMap<(Consumer, String, String), u64>,
    /// Orders of which a refund's response was lost.
    pub(crate) lost_refunds: BTreeSet<String>,
    /// All failed refunds were tried again, after the faults had ended.
    pub(crate) refunds_retried: bool,
    pub(crate) span: Trace,
}

impl World {
    #[must_use]
    pub fn new(policy: Policy, workload: Workload, rules: Arc<Rules>, record: bool) -> Self {
        let now = Arc::new(AtomicI64::new(START));
        Self {
            orders: MemoryOrders::default(),
            inventory: MemoryInventory::default(),
            payments: MemoryPayments::default(),
            provider: MemoryProvider::default(),
            delivery: MemoryDelivery::default(),
            queues: Queues::default(),
            workload,
            unregistered: BTreeSet::new(),
            races: Races::default(),
            complaints: Vec::new(),
            trace: record.then(Vec::new),
            points: 0,
            steps: 0,
            policy,
            orders_index: LaggingIndex::new(Arc::clone(&now)),
            payments_index: LaggingIndex::new(Arc::clone(&now)),
            delivery_index: LaggingIndex::new(Arc::clone(&now)),
            now,
            board: Board::default(),
            rules,
            upstream: Vec::new(),
            relayed: [0; SOURCES.len()],
            invocations: BTreeMap::new(),
            next_invocation: 0,
            next_operation: 0,
            webhooks: Vec::new(),
            adjusted: BTreeMap::new(),
            handled: BTreeMap::new(),
            lost_refunds: BTreeSet::new(),
            refunds_retried: false,
            span: Trace::start(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now.load(Ordering::Relaxed) - START;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9.3}s  {}", now as f64 / 1_000.0, line()));
        }
    }

    /// A number below `count`, which is at least 1; 0 without randomness.
    pub(crate) fn choose(&mut self, count: usize) -> usize {
        match &mut self.policy {
            Policy::Random(rng, _) => rng.usize(..count),
            Policy::InOrder(_) => 0,
        }
    }

    /// Whether a fault happens now; it is counted.
    pub(crate) fn happens(&mut self, fault: Fault) -> bool {
        let happens = match &mut self.policy {
            Policy::Random(rng, faults) => rng.u32(..1_000) < faults.chance(fault),
            Policy::InOrder(_) => false,
        };
        if happens {
            self.races.inject(fault);
        }
        happens
    }

    /// Ends a kind of fault.
    pub(crate) const fn end_fault(&mut self, fault: Fault) {
        if let Policy::Random(_, faults) = &mut self.policy {
            faults.remove(fault);
        }
    }

    /// A short name for the trace: `order 1` and `product 1`, counted from 0 as in the workload.
    pub(crate) fn name(&self, id: &str) -> String {
        let placements = &self.workload.placements;
        let products = &self.workload.products;
        if let Some(at) = placements.iter().position(|placed| placed.order.to_string() == id) {
            format!("order {at}")
        } else if let Some(at) = products.iter().position(|product| product.id.to_string() == id) {
            format!("product {at}")
        } else {
            id.to_owned()
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.invocations.is_empty()
            || !self.queues.is_empty()
            || !self.webhooks.is_empty()
            || SOURCES.iter().any(|source| self.has_unpublished(*source))
    }

    pub(crate) fn has_unpublished(&self, source: Source) -> bool {
        !self.unpublished(source).is_empty()
    }

    pub(crate) fn unpublished(&self, source: Source) -> Vec<Event> {
        let start = self.relayed[source as usize];
        match source {
            Source::Upstream => self.upstream.get(start..).unwrap_or_default().to_vec(),
            Source::Orders => self.orders.published_events_from(start),
            Source::Inventory => self.inventory.published_events_from(start),
            Source::Payments => self.payments.published_events_from(start),
            Source::Delivery => self.delivery.published_events_from(start),
        }
    }
}
