//! One run: the services, the invocations in progress, and the choice of the next step.

use crate::{
    io::{Board, Decision, InvocationId, Kind, Moment, Point, Ticket},
    queues::{Consumer, MessageId, QueuedMessage, Queues, Rules},
    races::{Race, Races},
    stores::{NoAddresses, Simulated},
    workload::{Operation, Workload, pricing_terms},
};
use fastrand::Rng;
use rialto_contracts::{Event, EventContext};
use rialto_inventory::{
    adapters::memory::MemoryInventory,
    application::adjust_stock::{AdjustStock, adjust_stock},
    domain::adjustment::Adjustment,
};
use rialto_kernel::{Clock, OrderId, Text, Timestamp, UserId};
use rialto_lambda::{
    sqs::{Failure, Message, Outcome},
    telemetry::Trace,
};
use rialto_orders::{
    adapters::memory::MemoryOrders,
    application::{
        cancel_order::cancel_order,
        get_order::Requester,
        place_order::{PlaceOrder, PlaceOrderError, place_order},
    },
    domain::order::OrderState,
};
use rialto_payments::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    application::receive_webhook::{ChargeNotification, receive_webhook},
    domain::intent::{DeclineCode, IntentState},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// The start of every run.
const START: i64 = 1_800_000_000_000;

/// Invocations at once.
const CONCURRENCY: usize = 12;

/// Steps after which a run that doesn't settle is a violation.
const MAX_STEPS: usize = 200_000;

/// Chances of faults, in a thousand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Of a crash at a point.
    pub crash: u32,
    /// Of a failure before a call, and of a lost response after it.
    pub failure: u32,
    pub lost_response: u32,
    /// Of a second copy of a message.
    pub duplicate: u32,
    /// Of a message that comes up to two minutes later.
    pub delay: u32,
    /// Of a relay that publishes and then forgets that it did.
    pub republication: u32,
    /// Of a step that takes up to ten minutes, in which messages become visible and orders expire.
    pub time_jump: u32,
    /// How far the clocks of two invocations are apart at most, in milliseconds.
    pub clock_skew: i64,
}

impl Faults {
    /// A random selection: some runs have many kinds of faults, some have one.
    pub fn random(rng: &mut Rng) -> Self {
        let mut chance = |most: u32| if rng.bool() { rng.u32(0..=most) } else { 0 };
        Self {
            crash: chance(40),
            failure: chance(60),
            lost_response: chance(60),
            duplicate: chance(200),
            delay: chance(200),
            republication: chance(100),
            time_jump: chance(10),
            clock_skew: i64::from(chance(3_000)),
        }
    }
}

/// A fault at a given point of a run that has no other faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointFault {
    Crash,
    Fail,
}

/// What decides the steps.
#[derive(Debug)]
pub enum Policy {
    Random(Box<Rng>, Faults),
    /// Everything in order of its age, with faults at the points with these numbers.
    InOrder(BTreeMap<u32, PointFault>),
}

/// The clock of an invocation.
#[derive(Debug)]
struct SkewedClock {
    now: Arc<AtomicI64>,
    skew: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed) + self.skew)
    }
}

/// How an invocation ends.
enum Ending {
    Message(Result<Outcome, Failure>),
    /// The response body, or `None` if the client has to repeat its request.
    Placed(Option<String>),
    /// A response that says nothing about the invariants.
    Answered,
}

struct Invocation {
    function: &'static str,
    subject: String,
    future: Pin<Box<dyn Future<Output = Ending> + Send>>,
    message: Option<QueuedMessage>,
    placement: Option<usize>,
    /// The provider has confirmed a charge, and the invocation hasn't recorded it.
    confirmed: bool,
}

/// A waker that remembers that it was called.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A source of events with a position up to which they were relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Upstream,
    Orders,
    Inventory,
    Payments,
}

const SOURCES: [Source; 4] =
    [Source::Upstream, Source::Orders, Source::Inventory, Source::Payments];

/// A step that could be next.
enum Step {
    Decide(Ticket),
    Receive(usize),
    Relay(Source),
    Begin,
    Background,
}

/// One run.
pub struct World {
    pub orders: MemoryOrders,
    pub inventory: MemoryInventory,
    pub payments: MemoryPayments,
    pub provider: MemoryProvider,
    pub queues: Queues,
    pub workload: Workload,
    pub unregistered: BTreeSet<UserId>,
    pub races: Races,
    /// Violations that were noticed during the run.
    pub complaints: Vec<String>,
    /// The steps, if they are recorded.
    pub trace: Option<Vec<String>>,
    /// The number of points that were reached.
    pub points: u32,
    pub steps: usize,
    policy: Policy,
    now: Arc<AtomicI64>,
    board: Board,
    rules: Arc<Rules>,
    /// Events of accounts and catalog, which aren't simulated.
    upstream: Vec<Event>,
    relayed: [usize; SOURCES.len()],
    invocations: BTreeMap<InvocationId, Invocation>,
    next_invocation: InvocationId,
    next_operation: usize,
    span: Trace,
}

impl World {
    #[must_use]
    pub fn new(policy: Policy, workload: Workload, rules: Arc<Rules>, record: bool) -> Self {
        Self {
            orders: MemoryOrders::default(),
            inventory: MemoryInventory::default(),
            payments: MemoryPayments::default(),
            provider: MemoryProvider::default(),
            queues: Queues::default(),
            workload,
            unregistered: BTreeSet::new(),
            races: Races::default(),
            complaints: Vec::new(),
            trace: record.then(Vec::new),
            points: 0,
            steps: 0,
            policy,
            now: Arc::new(AtomicI64::new(START)),
            board: Board::default(),
            rules,
            upstream: Vec::new(),
            relayed: [0; SOURCES.len()],
            invocations: BTreeMap::new(),
            next_invocation: 0,
            next_operation: 0,
            span: Trace::start(),
        }
    }

    /// Runs the workload with faults, then without any until everything has settled.
    pub fn run(&mut self) {
        while self.next_operation < self.workload.operations.len() || self.is_busy() {
            if self.steps > MAX_STEPS {
                self.complaints.push("the run doesn't end".to_owned());
                return;
            }
            // With faults in every delivery some messages would never be done.
            if self.next_operation == self.workload.operations.len() && self.steps > 4_000 {
                break;
            }
            self.step();
        }
        self.settle();
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    fn advance(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::Relaxed);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now.load(Ordering::Relaxed) - START;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9.3}s  {}", now as f64 / 1_000.0, line()));
        }
    }

    /// A number below `count`, which is at least 1; 0 without randomness.
    fn choose(&mut self, count: usize) -> usize {
        match &mut self.policy {
            Policy::Random(rng, _) => rng.usize(..count),
            Policy::InOrder(_) => 0,
        }
    }

    /// Whether a fault with this chance in a thousand happens.
    fn happens(&mut self, chance: impl Fn(&Faults) -> u32) -> bool {
        match &mut self.policy {
            Policy::Random(rng, faults) => rng.u32(..1_000) < chance(faults),
            Policy::InOrder(_) => false,
        }
    }

    fn is_busy(&self) -> bool {
        !self.invocations.is_empty()
            || !self.queues.is_empty()
            || SOURCES.iter().any(|source| self.has_unpublished(*source))
    }

    fn has_unpublished(&self, source: Source) -> bool {
        !self.unpublished(source).is_empty()
    }

    fn unpublished(&self, source: Source) -> Vec<Event> {
        let start = self.relayed[source as usize];
        match source {
            Source::Upstream => self.upstream.get(start..).unwrap_or_default().to_vec(),
            Source::Orders => self.orders.published_events_from(start),
            Source::Inventory => self.inventory.published_events_from(start),
            Source::Payments => self.payments.published_events_from(start),
        }
    }

    /// Performs one step.
    fn step(&mut self) {
        self.steps += 1;
        let pause = Duration::from_millis(self.choose(40) as u64);
        self.advance(pause);
        if self.happens(|faults| faults.time_jump) {
            let jump = Duration::from_secs(1 + self.choose(600) as u64);
            self.note(|| format!("{jump:?} pass"));
            self.advance(jump);
        }
        let mut steps: Vec<Step> = self.board.undecided().into_iter().map(Step::Decide).collect();
        for source in SOURCES {
            if self.has_unpublished(source) {
                steps.push(Step::Relay(source));
            }
        }
        if self.invocations.len() < CONCURRENCY {
            steps.extend(self.queues.visible(self.now()).into_iter().map(Step::Receive));
            if self.next_operation < self.workload.operations.len() {
                steps.push(Step::Begin);
            }
            if matches!(self.policy, Policy::Random(..)) {
                steps.push(Step::Background);
            }
        }
        if steps.is_empty() {
            if let Some(next) = self.queues.next_visible() {
                self.now.fetch_max(next.millis(), Ordering::Relaxed);
            }
            return;
        }
        let chosen = self.choose(steps.len());
        match steps.swap_remove(chosen) {
            Step::Decide(ticket) => self.decide(ticket),
            Step::Receive(at) => self.receive(at),
            Step::Relay(source) => self.relay(source),
            Step::Begin => self.begin(),
            Step::Background => self.background(),
        }
    }

    /// Ends all faults and runs until nothing is left to do.
    fn settle(&mut self) {
        if let Policy::Random(_, faults) = &mut self.policy {
            *faults = Faults::default();
        }
        self.note(|| "no more faults".to_owned());
        for round in 0..200 {
            self.drain();
            if self.steps > MAX_STEPS {
                self.complaints.push("the run doesn't settle".to_owned());
                return;
            }
            let repeated = self.repeat_unanswered();
            let redriven = self.queues.redrive(self.now());
            if redriven > 0 {
                self.races.reach(Race::DeadLetter);
                self.note(|| format!("{redriven} dead letters redriven"));
            }
            self.end_charges();
            self.advance(Duration::from_secs(60));
            self.sweep_orders();
            self.sweep_payments();
            let pending = |world: &Self| {
                world.orders.orders().iter().any(|order| order.state == OrderState::Pending)
                    || world.payments.payments().iter().any(|payment| payment.deadline().is_some())
            };
            if round > 0 && !repeated && redriven == 0 && !pending(self) && !self.is_busy() {
                return;
            }
        }
        self.drain();
    }

    /// Steps until nothing is under way.
    fn drain(&mut self) {
        let background = std::mem::replace(&mut self.policy, Policy::InOrder(BTreeMap::new()));
        while self.is_busy() && self.steps <= MAX_STEPS {
            let dead = self.queues.dead_letters().len();
            if self.invocations.is_empty()
                && !SOURCES.iter().any(|source| self.has_unpublished(*source))
                && self.queues.next_visible().is_none()
                && dead > 0
            {
                break;
            }
            self.step();
        }
        self.policy = background;
    }

    /// Clients repeat requests that they have no answer to.
    fn repeat_unanswered(&mut self) -> bool {
        let mut repeated = false;
        for number in 0..self.workload.placements.len() {
            let placement = &self.workload.placements[number];
            let stored = self.orders.orders().iter().any(|order| order.order_id == placement.order);
            if placement.response.is_none() && stored && placement.attempts > 0 {
                repeated = true;
                self.place(number);
            }
        }
        repeated
    }

    /// The provider ends the charges that are still processing.
    fn end_charges(&mut self) {
        for number in 0..self.workload.placements.len() {
            let order = self.workload.placements[number].order;
            self.provider.end_processing(order, &IntentState::Succeeded);
        }
    }

    fn decide(&mut self, ticket: Ticket) {
        let Some((id, point)) = self.board.wait(ticket) else { return };
        self.points += 1;
        let fault = self.fault_at(point);
        self.record_races(id, point, fault);
        let function = self.invocations.get(&id).map_or("", |invocation| invocation.function);
        let Point { name, moment, .. } = point;
        match fault {
            Some(PointFault::Crash) => {
                self.note(|| format!("#{id} {function} crashes {moment:?} {name}"));
                self.crash(id);
            }
            Some(PointFault::Fail) => {
                self.note(|| match moment {
                    Moment::Before => format!("#{id} {function}: {name} fails"),
                    Moment::After => format!("#{id} {function}: {name} is done, its response lost"),
                });
                self.board.decide(ticket, Decision::Fail);
                self.poll(id);
            }
            None => {
                if moment == Moment::Before {
                    self.note(|| format!("#{id} {function}: {name}"));
                }
                self.board.decide(ticket, Decision::Proceed);
                self.poll(id);
            }
        }
    }

    fn fault_at(&mut self, point: Point) -> Option<PointFault> {
        let number = self.points - 1;
        if let Policy::InOrder(faults) = &self.policy {
            return faults.get(&number).copied();
        }
        if self.happens(|faults| faults.crash) {
            return Some(PointFault::Crash);
        }
        let fails = match point.moment {
            Moment::Before => self.happens(|faults| faults.failure),
            Moment::After => self.happens(|faults| faults.lost_response),
        };
        fails.then_some(PointFault::Fail)
    }

    fn record_races(&mut self, id: InvocationId, point: Point, fault: Option<PointFault>) {
        let Some(invocation) = self.invocations.get_mut(&id) else { return };
        let crashed = fault == Some(PointFault::Crash);
        if invocation.confirmed && crashed {
            self.races.reach(Race::CrashAfterCharge);
        }
        if point.moment == Moment::Before {
            return;
        }
        match point.name {
            "provider.confirm_intent" => invocation.confirmed = true,
            "payments.save" => invocation.confirmed = false,
            _ => {}
        }
        if fault == Some(PointFault::Fail) {
            match (point.name, point.kind) {
                ("provider.confirm_intent", _) => self.races.reach(Race::LostChargeResponse),
                ("provider.create_refund", _) => self.races.reach(Race::LostRefundResponse),
                (_, Kind::Write) => self.races.reach(Race::LostWriteResponse),
                (_, Kind::Read) => {}
            }
        }
    }

    /// Drops an invocation. Its message becomes visible again after the visibility time.
    fn crash(&mut self, id: InvocationId) {
        self.board.remove(id);
        if let Some(invocation) = self.invocations.remove(&id)
            && let Some(placement) = invocation.placement
        {
            self.retry_placement(placement);
        }
    }

    fn poll(&mut self, id: InvocationId) {
        let Some(invocation) = self.invocations.get_mut(&id) else { return };
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            let polled = invocation.future.as_mut().poll(&mut Context::from_waker(&waker));
            match polled {
                Poll::Ready(ending) => {
                    self.board.remove(id);
                    if let Some(invocation) = self.invocations.remove(&id) {
                        self.end(id, invocation, ending);
                    }
                    return;
                }
                Poll::Pending if flag.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending => return,
            }
        }
    }

    fn end(&mut self, id: InvocationId, invocation: Invocation, ending: Ending) {
        let function = invocation.function;
        match ending {
            Ending::Message(result) => {
                let Some(message) = invocation.message else { return };
                match result {
                    Ok(outcome) => {
                        self.note(|| format!("#{id} {function}: {outcome:?}"));
                        self.record_outcome(&message, outcome);
                        self.queues.delete(message.id);
                    }
                    Err(error) => {
                        self.note(|| format!("#{id} {function} failed: {error}"));
                        let pause = Duration::from_secs(1 + self.choose(30) as u64);
                        self.queues.retry(message.id, self.now().plus(pause));
                    }
                }
            }
            Ending::Placed(response) => {
                let Some(number) = invocation.placement else { return };
                self.note(|| format!("#{id} {function}: answered {}", response.is_some()));
                match response {
                    None => self.retry_placement(number),
                    Some(response) => {
                        let placement = &mut self.workload.placements[number];
                        match &placement.response {
                            Some(first) if *first != response => self.complaints.push(format!(
                                "{}: a repeated request had another answer",
                                placement.order
                            )),
                            _ => placement.response = Some(response),
                        }
                    }
                }
            }
            Ending::Answered => self.note(|| format!("#{id} {function}: answered")),
        }
    }

    fn record_outcome(&mut self, message: &QueuedMessage, outcome: Outcome) {
        if outcome != Outcome::Handled {
            return;
        }
        let order = OrderId::parse(&message.event.correlationid).ok();
        match (message.consumer, message.event.kind.as_str()) {
            (Consumer::InventoryOnOrders, "OrderCancelled") => {
                let stored = self.inventory.reservations().into_iter();
                let tombstone = stored
                    .filter(|reservation| Some(reservation.order_id) == order)
                    .any(|reservation| reservation.lines.is_empty());
                if tombstone {
                    self.races.reach(Race::CancellationBeforeReservation);
                }
            }
            (Consumer::PaymentsOnOrders, "OrderCancelled") => {
                let stored = self.payments.payments().into_iter();
                let mut of = stored.filter(|payment| Some(payment.order_id) == order);
                if of.any(|payment| payment.charge.is_none()) {
                    self.races.reach(Race::CancellationBeforePayment);
                }
            }
            (Consumer::OrdersOnPayments, "PaymentCaptured") => {
                let mut orders = self.orders.orders().into_iter();
                let order = orders.find(|stored| Some(stored.order_id) == order);
                if order.is_some_and(|order| order.state == OrderState::Cancelled) {
                    self.races.reach(Race::CaptureAfterCancellation);
                }
            }
            (Consumer::OrdersOnInventory, "StockRejected") => self.races.reach(Race::OutOfStock),
            (Consumer::OrdersOnAccounts, _) => {
                let open = |order: &rialto_orders::domain::order::Order| {
                    order.state == OrderState::Pending && self.unregistered.contains(&order.user_id)
                };
                if self.orders.orders().iter().any(open) {
                    self.races.reach(Race::UnregisteredWithOpenOrder);
                }
            }
            _ => {}
        }
    }

    fn retry_placement(&mut self, number: usize) {
        let placement = &mut self.workload.placements[number];
        if placement.attempts > 0 {
            placement.attempts -= 1;
            self.workload.operations.push(Operation::Place(number));
        }
    }

    /// Publishes the next events of a source to the queues of their consumers.
    fn relay(&mut self, source: Source) {
        let events = self.unpublished(source);
        let count = 1 + self.choose(events.len().min(5));
        for event in events.into_iter().take(count) {
            let rules = Arc::clone(&self.rules);
            for consumer in rules.consumers(&event) {
                self.deliver(consumer, &event);
                if self.happens(|faults| faults.duplicate) {
                    self.deliver(consumer, &event);
                }
            }
        }
        if self.happens(|faults| faults.republication) {
            self.races.reach(Race::RepeatedPublication);
            self.note(|| format!("the relay of {source:?} publishes {count} events and crashes"));
            return;
        }
        self.note(|| format!("the relay of {source:?} publishes {count} events"));
        self.relayed[source as usize] += count;
    }

    fn deliver(&mut self, consumer: Consumer, event: &Event) {
        let mut pause = Duration::from_millis(self.choose(200) as u64);
        if self.happens(|faults| faults.delay) {
            pause += Duration::from_secs(self.choose(120) as u64);
        }
        self.queues.send(consumer, event.clone(), self.now().plus(pause));
    }

    /// Receives a message and invokes its consumer.
    fn receive(&mut self, at: usize) {
        let Some(message) = self.queues.receive(at, self.now()) else {
            self.races.reach(Race::DeadLetter);
            return;
        };
        if self.in_progress(message.id) {
            self.races.reach(Race::ConcurrentDeliveries);
        }
        let id = self.next_id();
        let clock = self.clock();
        let delivered = Message::new(message.event.clone(), clock.now(), &self.span);
        let orders = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        let inventory = Simulated { inner: self.inventory.clone(), io: self.board.io(id) };
        let payments = Simulated { inner: self.payments.clone(), io: self.board.io(id) };
        let provider = Simulated { inner: self.provider.clone(), io: self.board.io(id) };
        let future: Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send>> = match message
            .consumer
        {
            Consumer::InventoryOnCatalog => {
                Box::pin(rialto_inventory::entrypoints::on_catalog::handle(inventory, delivered))
            }
            Consumer::InventoryOnOrders => {
                Box::pin(rialto_inventory::entrypoints::on_orders::handle(inventory, delivered))
            }
            Consumer::OrdersOnAccounts => {
                Box::pin(rialto_orders::entrypoints::on_accounts::handle(orders, delivered))
            }
            Consumer::OrdersOnCatalog => {
                Box::pin(rialto_orders::entrypoints::on_catalog::handle(orders, delivered))
            }
            Consumer::OrdersOnInventory => {
                Box::pin(rialto_orders::entrypoints::on_inventory::handle(orders, delivered))
            }
            Consumer::OrdersOnPayments => {
                Box::pin(rialto_orders::entrypoints::on_payments::handle(orders, delivered))
            }
            Consumer::PaymentsOnInventory => {
                use rialto_payments::entrypoints::on_inventory::{ChargeState, handle};
                Box::pin(handle(ChargeState { store: payments, provider, clock }, delivered))
            }
            Consumer::PaymentsOnOrders => Box::pin(
                rialto_payments::entrypoints::on_orders::handle((payments, provider), delivered),
            ),
        };
        let function = function_name(message.consumer);
        let (kind, receives) = (message.event.kind.clone(), message.receives);
        let subject = message.event.correlationid.clone();
        self.note(|| format!("#{id} {function} receives {kind} of {subject} (receive {receives})"));
        let future = Box::pin(async move { Ending::Message(future.await) });
        let message = Some(message);
        let invocation =
            Invocation { function, subject, future, message, placement: None, confirmed: false };
        self.start(id, invocation);
    }

    fn in_progress(&self, message: MessageId) -> bool {
        let handles = |invocation: &Invocation| {
            invocation.message.as_ref().is_some_and(|handled| handled.id == message)
        };
        self.invocations.values().any(handles)
    }

    fn next_id(&mut self) -> InvocationId {
        self.next_invocation += 1;
        self.next_invocation
    }

    /// The clock of a new invocation.
    fn clock(&mut self) -> Arc<dyn Clock> {
        let skew = match &mut self.policy {
            Policy::Random(rng, faults) => rng.i64(-faults.clock_skew..=faults.clock_skew),
            Policy::InOrder(_) => 0,
        };
        Arc::new(SkewedClock { now: Arc::clone(&self.now), skew })
    }

    fn start(&mut self, id: InvocationId, invocation: Invocation) {
        self.invocations.insert(id, invocation);
        self.poll(id);
    }

    /// Starts a request that no message is about.
    fn request(
        &mut self,
        id: InvocationId,
        function: &'static str,
        subject: String,
        placement: Option<usize>,
        future: impl Future<Output = Ending> + Send + 'static,
    ) {
        self.note(|| format!("#{id} {function} {subject}"));
        let future = Box::pin(future);
        let invocation =
            Invocation { function, subject, future, message: None, placement, confirmed: false };
        self.start(id, invocation);
    }

    /// Begins the next operation of the workload.
    fn begin(&mut self) {
        let operation = self.workload.operations[self.next_operation].clone();
        self.next_operation += 1;
        let now = self.now();
        match operation {
            Operation::RegisterProduct(product) => {
                self.upstream.push(self.workload.registered(product, now));
            }
            Operation::ChangeProduct(product) => {
                let price = 1 + self.choose(3_000) as i64;
                let event = self.workload.changed(product, price, now);
                self.upstream.push(event);
            }
            Operation::UnregisterBuyer(buyer) => {
                if self.unregistered.insert(self.workload.buyers[buyer]) {
                    self.upstream.push(self.workload.unregistered(buyer, now));
                }
            }
            Operation::AdjustStock { product, quantity, key } => {
                self.adjust_stock(product, quantity, key);
            }
            Operation::Place(number) => self.place(number),
            Operation::Cancel { placement, by_supervisor } => self.cancel(placement, by_supervisor),
        }
    }

    fn place(&mut self, number: usize) {
        let placement = self.workload.placements[number].clone();
        let busy = |invocation: &Invocation| invocation.placement == Some(number);
        if self.invocations.values().any(busy) {
            self.races.reach(Race::ConcurrentPlacements);
        }
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        let subject = placement.order.to_string();
        self.request(id, "orders-place-order", subject, Some(number), async move {
            let command = PlaceOrder {
                user_id: placement.buyer,
                idempotency_key: &placement.key,
                request: placement.request,
            };
            let render = |order: &rialto_orders::domain::order::Order| {
                format!("{} {} {}", order.order_id, order.total.minor_units(), order.created_at)
            };
            let terms = pricing_terms();
            let cause = EventContext::default();
            let placed =
                place_order(&store, &NoAddresses, &command, &terms, render, now, &cause).await;
            match placed {
                Ok(placed) => Ending::Placed(Some(placed.response_body)),
                // The product isn't known yet, or the call failed: the client tries again.
                Err(PlaceOrderError::NotOrderable(_) | PlaceOrderError::Store(_)) => {
                    Ending::Placed(None)
                }
                // Nothing was stored, and the client gives up.
                Err(_) => Ending::Answered,
            }
        });
    }

    fn cancel(&mut self, number: usize, by_supervisor: bool) {
        let placement = self.workload.placements[number].clone();
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        let requester =
            if by_supervisor { Requester::Supervisor } else { Requester::Buyer(placement.buyer) };
        let order = placement.order;
        self.request(id, "orders-cancel-order", order.to_string(), None, async move {
            match cancel_order(&store, order, requester, now, &EventContext::default()).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    fn adjust_stock(&mut self, product: usize, quantity: i64, key: String) {
        let product = self.workload.products[product].id;
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.inventory.clone(), io: self.board.io(id) };
        let subject = format!("{product} by {quantity}");
        self.request(id, "inventory-adjust-stock", subject, None, async move {
            let reason = Text::parse("count").expect("a text");
            let adjustment = Adjustment { quantity, reason };
            let request = AdjustStock { product, idempotency_key: &key, adjustment };
            let render = |_: &rialto_inventory::domain::stock::Stock| String::new();
            let cause = EventContext::default();
            match adjust_stock(&store, &request, |_| true, render, now, &cause).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    /// Something that happens by itself: a webhook, the end of a charge, or a sweep.
    fn background(&mut self) {
        let placements = self.workload.placements.len();
        match self.choose(24) {
            0..=7 => {
                let number = self.choose(placements);
                let order = self.workload.placements[number].order;
                self.webhook(order);
            }
            8..=9 => {
                let number = self.choose(placements);
                let order = self.workload.placements[number].order;
                let state = if self.choose(3) == 0 {
                    IntentState::Failed { reason: DeclineCode::new("generic_decline") }
                } else {
                    IntentState::Succeeded
                };
                self.provider.end_processing(order, &state);
            }
            10 => self.sweep_orders(),
            11 => self.sweep_payments(),
            _ => {}
        }
    }

    fn webhook(&mut self, order: OrderId) {
        let Some(intent) = self.provider.intents(order).pop() else { return };
        let subject = order.to_string();
        let charging = |invocation: &Invocation| {
            invocation.function == "payments-on-inventory" && invocation.subject == subject
        };
        if self.invocations.values().any(charging) {
            self.races.reach(Race::WebhookDuringCharge);
        }
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.payments.clone(), io: self.board.io(id) };
        let provider = Simulated { inner: self.provider.clone(), io: self.board.io(id) };
        let notification = ChargeNotification { order_id: order, intent };
        self.request(id, "payments-receive-webhook", subject, None, async move {
            match receive_webhook(&store, &provider, &notification, None, now).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    fn sweep_orders(&mut self) {
        self.record_sweep("orders");
        let id = self.next_id();
        let now = self.clock().now();
        let expired = self.orders.orders();
        let charging = |order: &&rialto_orders::domain::order::Order| {
            let subject = order.order_id.to_string();
            order.state == OrderState::Pending
                && order.expires_at <= now
                && self.invocations.values().any(|invocation| {
                    invocation.function == "payments-on-inventory" && invocation.subject == subject
                })
        };
        if expired.iter().any(|order| charging(&order)) {
            self.races.reach(Race::TimeoutDuringCharge);
        }
        let store = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        self.request(id, "orders-sweep", String::new(), None, async move {
            use rialto_orders::application::sweep::sweep;
            match sweep(&store, now, &EventContext::default()).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    fn sweep_payments(&mut self) {
        self.record_sweep("payments");
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.payments.clone(), io: self.board.io(id) };
        let provider = Simulated { inner: self.provider.clone(), io: self.board.io(id) };
        self.request(id, "payments-sweep", String::new(), None, async move {
            use rialto_payments::application::sweep::sweep;
            match sweep(&store, &provider, now, None, || false).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    fn record_sweep(&mut self, service: &str) {
        let busy = |invocation: &Invocation| invocation.function.starts_with(service);
        if self.invocations.values().any(busy) {
            self.races.reach(Race::SweepDuringHandler);
        }
    }
}

const fn function_name(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::InventoryOnCatalog => "inventory-on-catalog",
        Consumer::InventoryOnOrders => "inventory-on-orders",
        Consumer::OrdersOnAccounts => "orders-on-accounts",
        Consumer::OrdersOnCatalog => "orders-on-catalog",
        Consumer::OrdersOnInventory => "orders-on-inventory",
        Consumer::OrdersOnPayments => "orders-on-payments",
        Consumer::PaymentsOnInventory => "payments-on-inventory",
        Consumer::PaymentsOnOrders => "payments-on-orders",
    }
}
