//! A world in which everything can go wrong at a place that the test names: a store and a provider in memory, messages
//! that come again until they are done with, requests that fail before or after they did something, and a scheduler
//! that tries every order of steps.

use rialto_contracts::{
    EventContext,
    inventory::StockReserved,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::{
    Amount, Clock, Currency, OrderId, RefundId, StoreError, Timestamp, UserId, Write,
};
use rialto_payments::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    application::{
        on_order_cancelled::on_order_cancelled,
        on_stock_reserved::on_stock_reserved,
        receive_webhook::{ChargeNotification, receive_webhook},
        sweep::sweep,
    },
    domain::{
        intent::{IntentId, IntentState},
        ledger::LedgerAccount,
        payment::{Charge, Payment, PaymentState, PaymentUpdate},
        refund::{Refund, RefundProgress},
    },
    ports::{ExpiredPayments, LedgerReader, PaymentReader, PaymentWriter, Provider, ProviderError},
};
use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    task::{Context, Poll, Waker},
};

pub(crate) const TOTAL: i64 = 2_500;
pub(crate) const IN_TIME: Timestamp = Timestamp::from_millis(1_000);
pub(crate) const TOO_LATE: Timestamp = Timestamp::from_millis(2_000);

/// One order's store and provider.
#[derive(Clone)]
pub(crate) struct Simulation {
    pub(crate) store: MemoryPayments,
    pub(crate) provider: MemoryProvider,
    pub(crate) order: OrderId,
    method: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    StockReserved,
    OrderCancelled,
    /// The charge, if it is processing, succeeds, and the provider tells of it.
    Succeeded,
    /// The sweep runs when the charge's time is over.
    Swept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashTiming {
    Before,
    After,
}

/// The request at which an attempt crashes, counted from 0, and whether it did something by then.
pub(crate) type CrashPoint = (u32, CrashTiming);

/// An event that comes again until it is handled: each attempt may crash somewhere, and happens at some time.
#[derive(Debug, Clone)]
pub(crate) struct MessageDelivery {
    pub(crate) event: Event,
    pub(crate) crashes: Vec<CrashPoint>,
    /// When the attempts happen; the last one is for all further ones.
    pub(crate) times: Vec<Timestamp>,
    pub(crate) keys_forgotten: bool,
}

impl MessageDelivery {
    pub(crate) fn new(event: Event) -> Self {
        let time = if event == Event::Swept { TOO_LATE } else { IN_TIME };
        Self { event, crashes: Vec::new(), times: vec![time], keys_forgotten: false }
    }

    pub(crate) fn crashing(self, crashes: &[CrashPoint]) -> Self {
        Self { crashes: crashes.to_vec(), ..self }
    }
}

impl Simulation {
    pub(crate) fn new(method: &'static str) -> Self {
        let order = OrderId::derive(&[b"order"]);
        Self {
            store: MemoryPayments::default(),
            provider: MemoryProvider::default(),
            order,
            method,
        }
    }

    /// Delivers a message until it is handled. Tells whether each of its crashes happened.
    pub(crate) async fn deliver(&self, message: &MessageDelivery) -> bool {
        let mut all_crashed = true;
        for attempt in 0..12 {
            let crash = message.crashes.get(attempt).copied();
            let now = message.times[attempt.min(message.times.len() - 1)];
            let line = FaultyConnection::new(self, crash, now);
            let handled = line.handle(message.event).await;
            all_crashed &= crash.is_none_or(|(at, _)| at < line.requests.load(Ordering::Relaxed));
            if handled.is_ok() {
                return all_crashed && attempt >= message.crashes.len();
            }
            if message.keys_forgotten {
                self.provider.forget_keys();
            }
        }
        panic!("{message:?} is never handled");
    }

    /// Delivers a message once, and never again: it crashes there, if it comes that far. Tells whether it did.
    pub(crate) fn abandon(&self, message: &MessageDelivery, crash: CrashPoint) -> bool {
        let line = FaultyConnection::new(self, Some(crash), message.times[0]);
        let handled = ready(line.handle(message.event));
        assert!(handled.is_err() || crash.0 >= line.requests.load(Ordering::Relaxed), "{crash:?}");
        crash.0 < line.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn payment(&self) -> Option<Payment> {
        ready(self.store.payment(self.order)).unwrap()
    }

    /// The events announced so far, by name.
    pub(crate) fn announced(&self) -> Vec<String> {
        self.store.published_events().into_iter().map(|event| event.kind).collect()
    }

    /// What must be true whenever nothing is under way, whatever happened.
    #[track_caller]
    pub(crate) fn check(&self, cancelled: bool) -> Payment {
        let payment = self.payment().unwrap();
        let sum = |amounts: &[Amount]| Amount::sum(amounts.iter().copied()).unwrap();
        let charges = self.provider.charges(self.order);
        assert!(charges.len() <= 1, "charged twice: {payment:?}");
        assert_eq!(sum(&charges), payment.captured, "{payment:?}");
        assert_eq!(sum(&self.provider.refunds(self.order)), payment.refunded(), "{payment:?}");
        assert!(payment.unfinished_refund().is_none(), "{payment:?}");

        let kept = payment.captured.minor_units()
            - (payment.refunded().minor_units() + payment.refund_due().minor_units());
        assert_eq!(kept, if cancelled { 0 } else { payment.captured.minor_units() }, "{payment:?}");

        let entries = ready(self.store.entries(self.order)).unwrap();
        let balance = |account| {
            let postings = entries.iter().flat_map(|entry| &entry.postings);
            postings
                .filter(|posting| posting.account == account)
                .map(|posting| posting.amount)
                .sum::<i64>()
        };
        assert_eq!(balance(LedgerAccount::Shop), kept, "{entries:?}");
        assert_eq!(
            balance(LedgerAccount::RefundDue),
            payment.refund_due().minor_units(),
            "{entries:?}"
        );
        assert_eq!(
            balance(LedgerAccount::Buyer),
            -kept - payment.refund_due().minor_units(),
            "{entries:?}"
        );

        let announced = self.announced();
        let count = |kind: &str| announced.iter().filter(|name| *name == kind).count();
        assert_eq!(count("PaymentCaptured"), charges.len(), "{announced:?}");
        assert_eq!(count("PaymentFailed"), usize::from(payment.state == PaymentState::Failed));
        assert_eq!(
            count("RefundIssued") + count("RefundFailed"),
            payment.refunds.len(),
            "{announced:?}"
        );
        assert!(payment.refunds.len() <= 1, "{payment:?}");
        payment
    }

    /// Delivers everything once more: nothing changes.
    #[track_caller]
    pub(crate) fn check_repetition(&self, events: &[Event]) {
        let before = (self.payment(), self.announced(), self.provider.charges(self.order));
        for event in events {
            ready(self.deliver(&MessageDelivery::new(*event)));
        }
        assert_eq!((self.payment(), self.announced(), self.provider.charges(self.order)), before);
    }

    /// The charge that the provider tells of; of one that there isn't yet, nothing is known.
    fn told_of(&self) -> IntentId {
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
            payment_method: self.method.to_owned(),
            expires_at: TOO_LATE,
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

/// One attempt's line to the world: each request waits for its turn, and one of them may crash. What can't be taken
/// back is asked for only by who has just looked.
struct FaultyConnection<'a> {
    world: &'a Simulation,
    crash: Option<CrashPoint>,
    now: Timestamp,
    requests: AtomicU32,
    /// Whether this attempt knows how the charge, or the refund, stands at the provider.
    known: AtomicBool,
}

impl Clock for FaultyConnection<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }
}

impl<'a> FaultyConnection<'a> {
    fn new(world: &'a Simulation, crash: Option<CrashPoint>, now: Timestamp) -> Self {
        Self { world, crash, now, requests: AtomicU32::new(0), known: AtomicBool::new(false) }
    }

    async fn handle(&self, event: Event) -> Result<(), String> {
        let (cause, now) = (EventContext::default(), self.now);
        match event {
            Event::StockReserved => {
                let event = self.world.stock_reserved();
                let handled = on_stock_reserved(self, self, &event, &cause, self).await;
                handled.map(drop).map_err(|error| error.to_string())
            }
            Event::OrderCancelled => {
                let event = self.world.order_cancelled();
                let handled = on_order_cancelled(self, self, &event, &cause, now).await;
                handled.map(drop).map_err(|error| error.to_string())
            }
            Event::Succeeded => {
                turn().await;
                self.world.provider.decide(self.world.order, &IntentState::Succeeded);
                let told =
                    ChargeNotification { order_id: self.world.order, intent: self.world.told_of() };
                let handled = receive_webhook(self, self, &told, None, now).await;
                handled.map(drop).map_err(|error| error.to_string())
            }
            Event::Swept => {
                let swept = sweep(self, self, now, None, || false).await;
                let swept = swept.map_err(|error| error.to_string())?;
                if swept.failed.is_empty() { Ok(()) } else { Err(format!("{swept:?}")) }
            }
        }
    }

    async fn request<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        crashed: E,
    ) -> Result<T, E> {
        turn().await;
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if self.crash == Some((number, CrashTiming::Before)) {
            return Err(crashed);
        }
        let answer = work.await;
        if self.crash == Some((number, CrashTiming::After)) { Err(crashed) } else { answer }
    }

    async fn ask<T>(
        &self,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        self.request(work, ProviderError::Unknown("crashed".to_owned())).await
    }

    fn learns(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// What was known isn't true any more after this.
    fn acts(&self) {
        assert!(self.known.swap(false, Ordering::Relaxed), "the provider wasn't looked at");
    }
}

/// Lets the scheduler go on with something else first.
async fn turn() {
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
        self.request(self.world.store.payment(order), crashed).await
    }
}

impl ExpiredPayments for FaultyConnection<'_> {
    async fn due_before(&self, now: Timestamp, limit: usize) -> Result<Vec<OrderId>, StoreError> {
        let crashed = StoreError::Unavailable("crashed".to_owned());
        self.request(self.world.store.due_before(now, limit), crashed).await
    }
}

impl PaymentWriter for FaultyConnection<'_> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        let crashed = StoreError::Unavailable("crashed".to_owned());
        let saved = self.request(self.world.store.save(change), crashed).await?;
        // Who has recorded the intent as made just now knows that nobody confirmed it.
        if saved == Write::Done && change.payment.state == PaymentState::Processing {
            self.learns();
        }
        Ok(saved)
    }
}

impl Provider for FaultyConnection<'_> {
    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        self.ask(self.world.provider.create_intent(order, charge)).await
    }
    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let state = self.ask(self.world.provider.retrieve_intent(intent)).await?;
        self.learns();
        Ok(state)
    }
    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.acts();
        self.ask(self.world.provider.confirm_intent(intent)).await
    }
    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.ask(self.world.provider.cancel_intent(intent)).await
    }
    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: RefundId,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let found = self.ask(self.world.provider.find_refund(intent, refund)).await?;
        self.learns();
        Ok(found)
    }
    async fn create_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        self.acts();
        self.ask(self.world.provider.create_refund(intent, refund)).await
    }
}

/// The result of something that never waits.
pub(crate) fn ready<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// The orders in which steps can happen, one after the other: all those in which a message that could go on is
/// interrupted at most `interruptions` times.
pub(crate) struct InterleavingExplorer {
    interruptions: usize,
    /// The choices of the schedule under way: which, and of how many.
    choices: Vec<(usize, usize)>,
    at: usize,
}

impl InterleavingExplorer {
    pub(crate) fn new(interruptions: usize) -> Self {
        Self { interruptions, choices: Vec::new(), at: 0 }
    }

    fn choose(&mut self, of: usize) -> usize {
        if self.at == self.choices.len() {
            self.choices.push((0, of));
        }
        self.at += 1;
        self.choices[self.at - 1].0
    }

    /// Goes on to the next schedule, if there is one.
    pub(crate) fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, of)) = self.choices.pop() {
            if choice + 1 < of {
                self.choices.push((choice + 1, of));
                return true;
            }
        }
        false
    }

    /// Delivers all messages, step by step in this schedule's order. Tells whether each crash happened.
    pub(crate) fn run(&mut self, world: &Simulation, messages: &[MessageDelivery]) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<Pin<Box<dyn Future<Output = bool> + '_>>> = Vec::new();
        for message in messages {
            waiting.push(Box::pin(world.deliver(message)));
        }
        // Each comes to its first request.
        for delivery in &mut waiting {
            assert!(delivery.as_mut().poll(&mut context).is_pending());
        }
        let (mut all_crashed, mut left, mut current) = (true, self.interruptions, None);
        while !waiting.is_empty() {
            let next = match current {
                Some(current) if left == 0 => current,
                // The first choice is to go on.
                Some(current) => match self.choose(waiting.len()) {
                    0 => current,
                    other => {
                        left -= 1;
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
