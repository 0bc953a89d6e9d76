//! A simulation of one payment: a store and a provider in memory, messages that are redelivered
//! until they are handled, requests that crash before or after their effect at a point that the
//! test names, and an explorer of every interleaving.

use futures_util::TryStreamExt;
use rialto_contracts::{
    EventContext,
    inventory::StockReserved,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::{
    Amount, Clock, Currency, DueEntry, DueQueue, OrderId, StoreError, Timestamp, UserId, Write,
};
use rialto_lambda::sweep::{SweepRun, due_entries};
use rialto_payments::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    application::{
        on_order_cancelled::on_order_cancelled,
        on_stock_reserved::on_stock_reserved,
        pay_again::{PayAgain, PayAgainError, pay_again},
        receive_webhook::{ChargeNotification, receive_webhook},
        sweep::sweep,
    },
    domain::{
        dispute::{DisputeId, DisputeReport},
        intent::{IntentId, IntentState},
        ledger::LedgerAccount,
        payment::{Charge, Payment, PaymentState, PaymentUpdate},
        refund::{Refund, RefundProgress},
    },
    ports::{DisputeProvider, LedgerReader, PaymentReader, PaymentWriter, Provider, ProviderError},
};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

pub(crate) const TOTAL: i64 = 2_500;
pub(crate) const IN_TIME: Timestamp = Timestamp::from_millis(1_000);
pub(crate) const TOO_LATE: Timestamp = Timestamp::from_millis(2_000);

/// The store and the provider of one order.
#[derive(Clone)]
pub(crate) struct Simulation {
    pub(crate) store: MemoryPayments,
    pub(crate) provider: MemoryProvider,
    pub(crate) order: OrderId,
    payment_method: &'static str,
    /// For how long the buyer may pay again after a failure.
    retry_window: Duration,
    expires_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    StockReserved,
    OrderCancelled,
    /// The charge, if it is processing, succeeds, and the provider sends its webhook.
    Succeeded,
    /// The buyer authenticates the charge, if that is required, and the provider sends its webhook.
    Accepted,
    /// As [`Accepted`](Self::Accepted), but the buyer declines.
    Declined,
    /// The provider sends the webhook of a charge that waits for the buyer.
    ActionRequired,
    /// The sweep runs after the charge's deadline.
    Swept,
    /// The buyer pays again with a payment method, under an Idempotency-Key. A refusal is handled.
    PaidAgain(&'static str, &'static str),
    /// The provider sends the webhook of an attempt.
    Notified(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashTiming {
    Before,
    After,
}

/// The request at which an attempt crashes, from 0, and whether before or after its effect.
pub(crate) type CrashPoint = (u32, CrashTiming);

/// An event that is redelivered until it is handled.
#[derive(Debug, Clone)]
pub(crate) struct MessageDelivery {
    pub(crate) event: Event,
    /// The crash of each attempt; further attempts don't crash.
    pub(crate) crashes: Vec<CrashPoint>,
    /// The time of each attempt; the last one also of all further attempts.
    pub(crate) times: Vec<Timestamp>,
    /// The provider drops its idempotency keys after each attempt.
    pub(crate) idempotency_keys_dropped: bool,
}

impl MessageDelivery {
    pub(crate) fn new(event: Event) -> Self {
        let time = if event == Event::Swept { TOO_LATE } else { IN_TIME };
        Self { event, crashes: Vec::new(), times: vec![time], idempotency_keys_dropped: false }
    }

    pub(crate) fn crashing(self, crashes: &[CrashPoint]) -> Self {
        Self { crashes: crashes.to_vec(), ..self }
    }
}

impl Simulation {
    pub(crate) fn new(payment_method: &'static str) -> Self {
        let order = OrderId::derive(&[b"order"]);
        Self {
            store: MemoryPayments::default(),
            provider: MemoryProvider::default(),
            order,
            payment_method,
            retry_window: Duration::ZERO,
            expires_at: TOO_LATE,
        }
    }

    /// An order whose buyer may pay again until its deadline.
    pub(crate) fn retryable(payment_method: &'static str) -> Self {
        Self { retry_window: Duration::from_secs(600), ..Self::new(payment_method) }
    }

    /// As [`retryable`](Self::retryable), with a deadline long after [`TOO_LATE`].
    pub(crate) fn lasting(payment_method: &'static str) -> Self {
        let expires_at = IN_TIME.plus(Duration::from_secs(900));
        Self { expires_at, ..Self::retryable(payment_method) }
    }

    /// Another order at the same store and provider.
    pub(crate) fn with_order(&self, order: OrderId) -> Self {
        Self { order, ..self.clone() }
    }

    /// Delivers a message until it is handled; returns whether each of its crashes happened.
    pub(crate) async fn deliver(&self, message: &MessageDelivery) -> bool {
        let mut all_crashed = true;
        for attempt in 0..12 {
            let crash = message.crashes.get(attempt).copied();
            let now = message.times[attempt.min(message.times.len() - 1)];
            let connection = FaultyConnection::new(self, crash, now);
            let handled = connection.handle(message.event).await;
            all_crashed &=
                crash.is_none_or(|(at, _)| at < connection.requests.load(Ordering::Relaxed));
            if handled.is_ok() {
                return all_crashed && attempt >= message.crashes.len();
            }
            if message.idempotency_keys_dropped {
                self.provider.drop_idempotency_keys();
            }
        }
        panic!("{message:?} was never handled");
    }

    /// Delivers a message once.
    pub(crate) async fn deliver_once(&self, event: Event) -> Result<(), String> {
        FaultyConnection::new(self, None, IN_TIME).handle(event).await
    }

    /// Delivers a message once, with a crash, and never again; returns whether the crash happened.
    pub(crate) fn abandon(&self, message: &MessageDelivery, crash: CrashPoint) -> bool {
        let connection = FaultyConnection::new(self, Some(crash), message.times[0]);
        let handled = ready(connection.handle(message.event));
        assert!(
            handled.is_err() || crash.0 >= connection.requests.load(Ordering::Relaxed),
            "{crash:?}"
        );
        crash.0 < connection.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn payment(&self) -> Option<Payment> {
        ready(self.store.payment(self.order)).unwrap()
    }

    /// The entries of all shards that are due.
    pub(crate) async fn due(&self, now: Timestamp) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        due_entries(&self.store, now).try_collect().await
    }

    /// The types of the events published so far.
    pub(crate) fn published(&self) -> Vec<String> {
        self.store.published_events().into_iter().map(|event| event.kind).collect()
    }

    /// Checks the invariants that hold whenever no message is in flight.
    #[track_caller]
    pub(crate) fn check(&self, cancelled: bool) -> Payment {
        let payment = self.payment().unwrap();
        let sum = |amounts: &[Amount]| Amount::sum(amounts.iter().copied()).unwrap();
        let charges = self.provider.charges(self.order);
        assert!(charges.len() <= 1, "charged more than once: {payment:?}");
        assert_eq!(sum(&charges), payment.captured, "{payment:?}");
        assert_eq!(sum(&self.provider.refunds(self.order)), payment.refunded(), "{payment:?}");
        assert!(payment.unfinished_refund().is_none(), "{payment:?}");

        let revenue = payment.captured.minor_units()
            - (payment.refunded().minor_units() + payment.refund_due().minor_units());
        assert_eq!(
            revenue,
            if cancelled { 0 } else { payment.captured.minor_units() },
            "{payment:?}"
        );

        let entries = ready(self.store.entries(self.order)).unwrap();
        let balance = |account| {
            let postings = entries.iter().flat_map(|entry| &entry.postings);
            postings
                .filter(|posting| posting.account == account)
                .map(|posting| posting.amount)
                .sum::<i64>()
        };
        assert_eq!(balance(LedgerAccount::Shop), revenue, "{entries:?}");
        assert_eq!(
            balance(LedgerAccount::RefundDue),
            payment.refund_due().minor_units(),
            "{entries:?}"
        );
        assert_eq!(
            balance(LedgerAccount::Buyer),
            -revenue - payment.refund_due().minor_units(),
            "{entries:?}"
        );

        let published = self.published();
        let count = |kind: &str| published.iter().filter(|name| *name == kind).count();
        assert_eq!(count("PaymentCaptured"), charges.len(), "{published:?}");
        assert_eq!(count("PaymentFailed"), usize::from(payment.state == PaymentState::Failed));
        assert_eq!(
            count("RefundIssued") + count("RefundFailed"),
            payment.refunds.len(),
            "{published:?}"
        );
        assert!(payment.refunds.len() <= 1, "{payment:?}");
        payment
    }

    /// Delivers the events once more and checks that nothing changes.
    #[track_caller]
    pub(crate) fn check_repetition(&self, events: &[Event]) {
        let before = (self.payment(), self.published(), self.provider.charges(self.order));
        for event in events {
            ready(self.deliver(&MessageDelivery::new(*event)));
        }
        assert_eq!((self.payment(), self.published(), self.provider.charges(self.order)), before);
    }

    /// The intent that a webhook names; an unknown one if the order has none yet.
    fn notified_intent(&self) -> IntentId {
        self.provider
            .intents(self.order)
            .pop()
            .unwrap_or_else(|| IntentId::parse("pi_none").unwrap())
    }

    pub(crate) fn stock_reserved(&self) -> StockReserved {
        StockReserved {
            order_id: self.order,
            user_id: UserId::derive(&[b"buyer"]),
            total: Amount::new(TOTAL).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            payment_method: self.payment_method.to_owned(),
            expires_at: self.expires_at,
        }
    }

    pub(crate) fn order_cancelled(&self) -> OrderCancelled {
        OrderCancelled {
            order_id: self.order,
            user_id: UserId::derive(&[b"buyer"]),
            reason: CancelReason::Buyer,
        }
    }
}

/// One attempt's connection to store and provider: each request waits for its turn, and one may
/// crash. Asserts that the attempt reads the provider's state before each irreversible request.
struct FaultyConnection<'a> {
    simulation: &'a Simulation,
    crash: Option<CrashPoint>,
    now: Timestamp,
    requests: AtomicU32,
    /// Nothing is requested after the crash.
    crashed: AtomicBool,
    /// Whether the attempt has read the charge's or refund's current state.
    state_read: AtomicBool,
}

impl Clock for FaultyConnection<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }
}

impl<'a> FaultyConnection<'a> {
    fn new(simulation: &'a Simulation, crash: Option<CrashPoint>, now: Timestamp) -> Self {
        Self {
            simulation,
            crash,
            now,
            requests: AtomicU32::new(0),
            crashed: AtomicBool::new(false),
            state_read: AtomicBool::new(false),
        }
    }

    async fn handle(&self, event: Event) -> Result<(), String> {
        let (cause, now) = (EventContext::default(), self.now);
        match event {
            Event::StockReserved => {
                let event = self.simulation.stock_reserved();
                let handled = on_stock_reserved(
                    self,
                    self,
                    &event,
                    self.simulation.retry_window,
                    &cause,
                    self,
                )
                .await;
                handled.map(drop).map_err(|error| error.to_string())
            }
            Event::OrderCancelled => {
                let event = self.simulation.order_cancelled();
                let handled = on_order_cancelled(self, self, &event, &cause, now).await;
                handled.map(drop).map_err(|error| error.to_string())
            }
            Event::Succeeded => {
                next_turn().await;
                self.simulation
                    .provider
                    .end_processing(self.simulation.order, &IntentState::Succeeded);
                self.notify().await
            }
            Event::Accepted | Event::Declined => {
                next_turn().await;
                self.simulation.provider.act(self.simulation.order, event == Event::Accepted);
                self.notify().await
            }
            Event::ActionRequired => {
                next_turn().await;
                self.notify().await
            }
            Event::PaidAgain(payment_method, idempotency_key) => {
                let order = self.simulation.order;
                let request = PayAgain { order, payment_method, idempotency_key };
                match pay_again(self, self, &request, |_| true, None, self).await {
                    Ok(_) | Err(PayAgainError::NotRetryable(_)) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Event::Notified(attempt) => {
                next_turn().await;
                let payment = self.simulation.payment();
                let intent = payment.and_then(|payment| payment.intent_of(attempt).cloned());
                let unknown = IntentId::parse("pi_none").unwrap();
                self.notify_of(intent.unwrap_or(unknown)).await
            }
            Event::Swept => {
                let summary = sweep(self, self, &sweep_run(now)).await;
                let summary = summary.map_err(|error| error.to_string())?;
                if summary.failed == 0 { Ok(()) } else { Err(format!("{summary:?}")) }
            }
        }
    }

    /// The provider's webhook about the order's charge.
    async fn notify(&self) -> Result<(), String> {
        self.notify_of(self.simulation.notified_intent()).await
    }

    async fn notify_of(&self, intent: IntentId) -> Result<(), String> {
        let order_id = self.simulation.order;
        let notification = ChargeNotification { order_id, intent, refund: None };
        let handled = receive_webhook(self, self, &notification, None, self).await;
        handled.map(drop).map_err(|error| error.to_string())
    }

    async fn request<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        crashed: E,
    ) -> Result<T, E> {
        next_turn().await;
        if self.crashed.load(Ordering::Relaxed) {
            return Err(crashed);
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if self.crash == Some((number, CrashTiming::Before)) {
            self.crashed.store(true, Ordering::Relaxed);
            return Err(crashed);
        }
        let result = work.await;
        if self.crash == Some((number, CrashTiming::After)) {
            self.crashed.store(true, Ordering::Relaxed);
            return Err(crashed);
        }
        result
    }

    async fn call_provider<T>(
        &self,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        self.request(work, ProviderError::Unknown("crashed".to_owned())).await
    }

    fn mark_state_read(&self) {
        self.state_read.store(true, Ordering::Relaxed);
    }

    /// Requires that the state was read; it has to be read again afterwards.
    fn require_state_read(&self) {
        assert!(
            self.state_read.swap(false, Ordering::Relaxed),
            "the provider's state wasn't read before"
        );
    }
}

/// A clock that always shows this time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedClock(pub(crate) Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A run of the sweep with more time than it needs.
pub(crate) fn sweep_run(now: Timestamp) -> SweepRun {
    SweepRun::new(now, Timestamp::from_millis(i64::MAX), Arc::new(FixedClock(now)))
}

/// Waits once, so that the explorer can run another message first.
async fn next_turn() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        let was = std::mem::replace(&mut waited, true);
        if was {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl PaymentReader for FaultyConnection<'_> {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        let crashed = StoreError::Unavailable("crashed".to_owned());
        self.request(self.simulation.store.payment(order), crashed).await
    }
}

impl DueQueue for FaultyConnection<'_> {
    type Id = OrderId;
    // All of the shards, of which only one has an entry: fewer points to crash at.
    const SHARDS: u8 = 1;

    async fn due(
        &self,
        _: u8,
        now: Timestamp,
        _: Option<&DueEntry<OrderId>>,
        _: usize,
    ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        let crashed = StoreError::Unavailable("crashed".to_owned());
        self.request(self.simulation.due(now), crashed).await
    }

    async fn postpone(
        &self,
        entry: &DueEntry<OrderId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        let crashed = StoreError::Unavailable("crashed".to_owned());
        self.request(self.simulation.store.postpone(entry, until), crashed).await
    }
}

impl PaymentWriter for FaultyConnection<'_> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        let crashed = StoreError::Unavailable("crashed".to_owned());
        let saved = self.request(self.simulation.store.save(change), crashed).await?;
        // An intent that was recorded just now can't have been confirmed.
        if saved == Write::Done && change.payment.state == PaymentState::Processing {
            self.mark_state_read();
        }
        Ok(saved)
    }
}

impl DisputeProvider for FaultyConnection<'_> {
    async fn retrieve_dispute(&self, dispute: &DisputeId) -> Result<DisputeReport, ProviderError> {
        self.call_provider(self.simulation.provider.retrieve_dispute(dispute)).await
    }
    async fn intent_order(&self, intent: &IntentId) -> Result<Option<OrderId>, ProviderError> {
        self.call_provider(self.simulation.provider.intent_order(intent)).await
    }
}

impl Provider for FaultyConnection<'_> {
    async fn wait_to_repeat(&self, failures: u32, error: &ProviderError) -> bool {
        !self.crashed.load(Ordering::Relaxed)
            && self.simulation.provider.wait_to_repeat(failures, error).await
    }
    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        self.call_provider(self.simulation.provider.create_intent(order, charge)).await
    }
    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let state = self.call_provider(self.simulation.provider.retrieve_intent(intent)).await?;
        self.mark_state_read();
        Ok(state)
    }
    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.require_state_read();
        self.call_provider(self.simulation.provider.confirm_intent(intent)).await
    }
    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.call_provider(self.simulation.provider.cancel_intent(intent)).await
    }
    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let found =
            self.call_provider(self.simulation.provider.find_refund(intent, refund)).await?;
        self.mark_state_read();
        Ok(found)
    }
    async fn create_refund(
        &self,
        order: OrderId,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        self.require_state_read();
        self.call_provider(self.simulation.provider.create_refund(order, intent, refund)).await
    }
}

/// Polls a future to its end without a runtime.
pub(crate) fn ready<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Explores the interleavings of several messages: all those in which a message that could continue
/// is interrupted at most `interruptions` times.
pub(crate) struct InterleavingExplorer {
    interruptions: usize,
    /// The choices of the current interleaving, each with the number of its alternatives.
    choices: Vec<(usize, usize)>,
    at: usize,
}

impl InterleavingExplorer {
    pub(crate) fn new(interruptions: usize) -> Self {
        Self { interruptions, choices: Vec::new(), at: 0 }
    }

    fn choose(&mut self, alternatives: usize) -> usize {
        if self.at == self.choices.len() {
            self.choices.push((0, alternatives));
        }
        self.at += 1;
        self.choices[self.at - 1].0
    }

    /// Advances to the next interleaving; returns whether there is one.
    pub(crate) fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, alternatives)) = self.choices.pop() {
            if choice + 1 < alternatives {
                self.choices.push((choice + 1, alternatives));
                return true;
            }
        }
        false
    }

    /// Delivers all messages in this interleaving; returns whether each crash happened.
    pub(crate) fn run(&mut self, simulation: &Simulation, messages: &[MessageDelivery]) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<Pin<Box<dyn Future<Output = bool> + '_>>> = Vec::new();
        for message in messages {
            waiting.push(Box::pin(simulation.deliver(message)));
        }
        // Each message runs to its first request.
        for delivery in &mut waiting {
            assert!(delivery.as_mut().poll(&mut context).is_pending());
        }
        let (mut all_crashed, mut interruptions, mut current) = (true, self.interruptions, None);
        while !waiting.is_empty() {
            let next = match current {
                Some(current) if interruptions == 0 => current,
                // The first alternative is to continue.
                Some(current) => match self.choose(waiting.len()) {
                    0 => current,
                    other => {
                        interruptions -= 1;
                        if other <= current { other - 1 } else { other }
                    }
                },
                None => self.choose(waiting.len()),
            };
            current = Some(next);
            if let Poll::Ready(crashed) = waiting[next].as_mut().poll(&mut context) {
                all_crashed &= crashed;
                drop(waiting.remove(next));
                current = None;
            }
        }
        all_crashed
    }
}

/// Delivers events in every order of their steps and, if `crashing`, with each crash of each event;
/// calls `check` after each and returns the number of runs.
pub(crate) fn interleave(
    method: &'static str,
    events: &[Event],
    interruptions: usize,
    crashing: bool,
    check: impl Fn(&Simulation),
) -> u32 {
    let mut runs = 0;
    let mut run = |messages: &[MessageDelivery]| {
        let mut explorer = InterleavingExplorer::new(interruptions);
        let mut ever_crashed = false;
        loop {
            let simulation = Simulation::new(method);
            ever_crashed |= explorer.run(&simulation, messages);
            check(&simulation);
            simulation.check(events.contains(&Event::OrderCancelled));
            simulation.check_repetition(events);
            runs += 1;
            if !explorer.next() {
                return ever_crashed;
            }
        }
    };
    let messages: Vec<MessageDelivery> =
        events.iter().map(|event| MessageDelivery::new(*event)).collect();
    run(&messages);
    for at in 0..if crashing { events.len() } else { 0 } {
        each_crash(|crash| {
            let mut messages = messages.clone();
            messages[at] = messages[at].clone().crashing(&[crash]);
            run(&messages)
        });
    }
    runs
}

/// Calls `run` with each crash point of an attempt until `run` returns that the crash didn't
/// happen; returns the number of crashes.
pub(crate) fn each_crash(mut run: impl FnMut(CrashPoint) -> bool) -> u32 {
    let mut crashes = 0;
    for request in 0.. {
        let before = run((request, CrashTiming::Before));
        let after = run((request, CrashTiming::After));
        assert_eq!(before, after);
        if !before {
            break;
        }
        crashes += 2;
    }
    crashes
}
