//! The services' handlers on the stores in memory, driven by the model's actions.

use crate::{
    model::{Action, Answer, Bounds},
    state::{
        Call, Delivery, Event, Intent, Invocation, List, Order, Payment, PaymentState,
        ProviderState, Reason, RefundState, Reservation, Saga, Set, State, Stock, Trigger,
    },
};
use rialto_cli::reconcile::{Snapshot, findings};
use rialto_contracts::{EventContext, orders::CancelReason};
use rialto_inventory::{
    adapters::memory::MemoryInventory,
    domain::{reservation::ReservationOutcome, reserved_line::LineState},
};
use rialto_kernel::{Clock, DueEntry, DueQueue, OrderId, StoreError, Timestamp, UserId, Write};
use rialto_lambda::{
    settings::Settings,
    sqs::{Failure, Message, Outcome},
    sweep::SweepRun,
    telemetry::Trace,
};
use rialto_orders::{
    adapters::memory::MemoryOrders,
    application::{
        cancel_order::cancel_order,
        get_order::Requester,
        place_order::{PlaceOrder, place_order},
    },
    domain::{
        order::{Order as StoredOrder, OrderState, OrderUpdate},
        request::{PaymentMethod, order_id},
    },
    ports::{OrderReader, OrderWriter},
};
use rialto_payments::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    application::receive_webhook::{ChargeNotification, receive_webhook},
    domain::{
        intent::{DeclineCode, IntentId, IntentState},
        payment::{Payment as StoredPayment, PaymentState as StoredPaymentState, PaymentUpdate},
        refund::RefundState as StoredRefundState,
    },
    ports::{PaymentReader, PaymentWriter, Provider as _},
};
use rialto_simulation::{
    io::{Board, Decision, InvocationId},
    stores::{NoAddresses, Simulated},
    workload::{Workload, placement_terms},
};
use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

const START: i64 = 1_800_000_000_000;

/// Longer than a sweep leaves alone what it couldn't finish.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(600);

/// How the services depart from the model.
pub type Disagreement = String;

type Work = Pin<Box<dyn Future<Output = Result<(), Disagreement>> + Send>>;

/// The services with some placed orders.
pub struct Replay {
    orders: MemoryOrders,
    inventory: MemoryInventory,
    payments: MemoryPayments,
    provider: MemoryProvider,
    board: Board,
    now: Arc<AtomicI64>,
    trace: Trace,
    deadline: Timestamp,
    placed: Vec<Placed>,
    running: Vec<Running>,
    started: InvocationId,
}

/// An order of the replay.
struct Placed {
    order: OrderId,
    buyer: UserId,
    /// Its intents at the provider, in the order of their creation.
    intents: Vec<IntentId>,
}

/// An invocation that waits before a call.
struct Running {
    id: InvocationId,
    order: usize,
    invocation: Invocation,
    work: Work,
}

#[derive(Debug)]
struct ReplayClock(Arc<AtomicI64>);

impl Clock for ReplayClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Call {
    /// The port's method, as the simulation names it.
    const fn point(self) -> &'static str {
        match self {
            Self::CreateIntent => "provider.create_intent",
            Self::RecordIntent(_)
            | Self::RecordRefusal
            | Self::RecordOutcome(_)
            | Self::RecordAction
            | Self::RecordRefund => "payments.save",
            Self::CancelUnrecorded { .. } | Self::CancelIntent => "provider.cancel_intent",
            Self::Retrieve(_) | Self::RetrieveAgain => "provider.retrieve_intent",
            Self::ReadPayment | Self::ReadForAction => "payments.payment",
            Self::ConfirmIntent => "provider.confirm_intent",
            Self::FindRefund => "provider.find_refund",
            Self::CreateRefund => "provider.create_refund",
        }
    }
}

/// The result of work that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> Result<T, Disagreement> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err("a handler waits for something else than its ports".to_owned()),
    }
}

/// The payment method with which the provider does to an order what the actions say.
fn payment_method(actions: &[Action], number: usize) -> &'static str {
    let mut answers = actions.iter().filter_map(|action| match action {
        Action::Step { order, answer, .. } if *order == number => Some(answer),
        _ => None,
    });
    let method = answers.find_map(|answer| match answer {
        Answer::Refusal => Some("pm_unknown"),
        Answer::Charge(intent) | Answer::LostCharge(intent) => Some(match intent {
            Intent::Failed => "pm_card_chargeDeclined",
            Intent::Processing => "pm_sim_async",
            Intent::RequiresAction => "pm_sim_3ds",
            _ => "pm_card_visa",
        }),
        Answer::Determined | Answer::Lost => None,
    });
    method.unwrap_or("pm_card_visa")
}

impl Replay {
    /// Places the orders, with the payment methods that these actions need.
    ///
    /// # Errors
    /// [`Disagreement`] if that fails.
    pub fn new(bounds: &Bounds, actions: &[Action]) -> Result<Self, Disagreement> {
        let mut replay = Self {
            orders: MemoryOrders::default(),
            inventory: MemoryInventory::default(),
            payments: MemoryPayments::default(),
            provider: MemoryProvider::default(),
            board: Board::default(),
            now: Arc::new(AtomicI64::new(START)),
            trace: Trace::start(),
            deadline: Timestamp::from_millis(START),
            placed: Vec::new(),
            running: Vec::new(),
            started: 0,
        };
        for number in 0..bounds.orders {
            replay.place(number, payment_method(actions, number), bounds.stock)?;
        }
        Ok(replay)
    }

    fn place(&mut self, number: usize, method: &str, stock: u8) -> Result<(), Disagreement> {
        let workload = Workload::single(method, 1, stock.into());
        let registered = self.message(workload.registered(0, self.now()));
        let replica =
            rialto_orders::entrypoints::on_catalog::handle(self.orders.clone(), registered.clone());
        succeeds(ready(replica)?)?;
        succeeds(ready(rialto_inventory::entrypoints::on_catalog::handle(
            self.inventory.clone(),
            registered,
        ))?)?;
        let placement = &workload.placements[0];
        let key = format!("order {number}");
        let (mut request, buyer) = (placement.request.clone(), placement.buyer);
        request.payment_method = PaymentMethod::parse(method).map_err(|error| error.to_string())?;
        let command = PlaceOrder {
            user_id: buyer,
            by_supervisor: false,
            idempotency_key: &key,
            request,
            client: None,
        };
        let (now, terms, cause) = (self.now(), placement_terms(), EventContext::default());
        let render = |_: &StoredOrder| String::new();
        let placing =
            place_order(&self.orders, &NoAddresses, &command, &terms, render, now, &cause);
        ready(placing)?.map_err(|error| error.to_string())?;
        let order = order_id(buyer, &key);
        self.deadline = now.plus(terms.pricing.pending_deadline);
        self.placed.push(Placed { order, buyer, intents: Vec::new() });
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(ReplayClock(Arc::clone(&self.now)))
    }

    fn message(&self, event: rialto_contracts::Event) -> Message {
        Message::new(event, self.now(), &self.trace)
    }

    /// Does what the action says. `expected` is the model's state afterwards.
    ///
    /// # Errors
    /// [`Disagreement`] if a handler fails, or makes another call than the model's.
    pub fn perform(&mut self, action: Action, expected: &State) -> Result<(), Disagreement> {
        match action {
            Action::PassDeadline => {
                self.now.fetch_max(self.deadline.millis(), Ordering::Relaxed);
            }
            Action::ForgetKeys => self.provider.drop_idempotency_keys(),
            Action::EndCharge { order, succeeds } => {
                let state = if succeeds {
                    IntentState::Succeeded
                } else {
                    IntentState::Failed { reason: DeclineCode::new("generic_decline") }
                };
                let order = self.placed[order].order;
                self.provider.end_processing(order, &state);
                self.provider.act(order, succeeds);
            }
            Action::Cancel { order } => {
                let Placed { order, buyer, .. } = self.placed[order];
                let (requester, now) = (Requester::Buyer(buyer), self.now());
                let cause = EventContext::default();
                let cancelled = cancel_order(&self.orders, order, requester, now, &cause);
                ready(cancelled)?.map_err(|error| error.to_string())?;
            }
            Action::TimeOut { order } => {
                let run = self.sweep();
                let listed = self.placed[order].order;
                let store = self.orders.clone();
                let only = OnlyOrder { order: listed, queue: self.orders.clone(), store };
                let cause = EventContext::default();
                let swept = rialto_orders::application::sweep::sweep(&only, &run, &cause);
                ready(swept)?.map_err(|error| error.to_string())?;
            }
            Action::Deliver { order, delivery } => self.deliver(order, delivery)?,
            Action::Invoke { order, trigger } => {
                let work = self.invoke(order, trigger)?;
                let id = self.started;
                // Where it waits is only known after its first call.
                let invocation = Invocation { trigger, next: Call::ReadPayment };
                let running = Running { id, order, invocation, work };
                self.go_on(running, Decision::Proceed, expected)?;
            }
            Action::Step { order, invocation, answer } => {
                let running = self.take(order, invocation)?;
                let lost = matches!(answer, Answer::Lost | Answer::LostCharge(_));
                let response = if lost { Decision::Fail } else { Decision::Proceed };
                self.go_on(running, response, expected)?;
            }
            Action::Crash { order, invocation } => {
                let running = self.take(order, invocation)?;
                self.board.remove(running.id);
            }
        }
        self.list_intents();
        Ok(())
    }

    /// A run of a sweep, after what was left alone is due again.
    fn sweep(&self) -> SweepRun {
        let pause = i64::try_from(BETWEEN_SWEEPS.as_millis()).unwrap_or(0);
        self.now.fetch_add(pause, Ordering::Relaxed);
        let now = self.now();
        SweepRun::new(now, now.plus(Duration::from_secs(60)), self.clock())
    }

    fn deliver(&self, order: usize, delivery: Delivery) -> Result<(), Disagreement> {
        use rialto_orders::entrypoints::{on_inventory, on_payments};
        let message = self.published(order, delivery.event())?;
        let (orders, inventory) = (self.orders.clone(), self.inventory.clone());
        let result = match delivery {
            Delivery::OrderPlacedToInventory
            | Delivery::OrderConfirmedToInventory
            | Delivery::OrderCancelledToInventory => {
                ready(rialto_inventory::entrypoints::on_orders::handle(inventory, message))?
            }
            Delivery::StockReservedToOrders
            | Delivery::StockRejectedToOrders
            | Delivery::StockReleasedToOrders => ready(on_inventory::handle(orders, message))?,
            Delivery::PaymentCapturedToOrders
            | Delivery::PaymentFailedToOrders
            | Delivery::PaymentActionRequiredToOrders
            | Delivery::RefundIssuedToOrders => ready(on_payments::handle(orders, message))?,
            Delivery::OrderCancelledToPayments | Delivery::StockReservedToPayments => {
                return Err("payments is invoked".to_owned());
            }
        };
        succeeds(result)
    }

    /// The published event of an order, as a message.
    fn published(&self, order: usize, event: Event) -> Result<Message, Disagreement> {
        let events = self.events(order);
        let found = events.into_iter().find(|published| published.kind == event.kind());
        found.map(|found| self.message(found)).ok_or_else(|| format!("{event:?} isn't published"))
    }

    fn events(&self, order: usize) -> Vec<rialto_contracts::Event> {
        let id = self.placed[order].order.to_string();
        let mut events = self.orders.published_events();
        events.extend(self.inventory.published_events());
        events.extend(self.payments.published_events());
        events.retain(|event| event.data["order_id"].as_str() == Some(&id));
        events
    }

    /// Begins an invocation of payments, which makes no call yet.
    fn invoke(&mut self, order: usize, trigger: Trigger) -> Result<Work, Disagreement> {
        self.started += 1;
        let io = self.board.io(self.started);
        let store = Simulated::new(self.payments.clone(), io.clone());
        let provider = Simulated::new(self.provider.clone(), io);
        let clock = self.clock();
        Ok(match trigger {
            Trigger::StockReserved => {
                use rialto_payments::entrypoints::on_inventory::{ChargeState, handle};
                let message = self.published(order, Event::StockReserved)?;
                let settings = Arc::new(Settings::fixed(&[]));
                let state = ChargeState { store, provider, settings, clock };
                Box::pin(async move { succeeds(handle(state, message).await) })
            }
            Trigger::OrderCancelled => {
                use rialto_payments::entrypoints::on_orders::handle;
                let message = self.published(order, Event::OrderCancelled)?;
                Box::pin(async move { succeeds(handle((store, provider), message).await) })
            }
            Trigger::Webhook => {
                let placed = &self.placed[order];
                let payment = ready(self.payments.payment(placed.order))?;
                let intent = payment.ok().flatten().and_then(|payment| payment.intent_id);
                let intent = intent.ok_or("the payment has no intent")?;
                let notification =
                    ChargeNotification { order_id: placed.order, intent, refund: None };
                Box::pin(async move {
                    let received =
                        receive_webhook(&store, &provider, &notification, None, &*clock).await;
                    received.map(drop).map_err(|error| error.to_string())
                })
            }
            Trigger::Sweep => {
                let (run, order) = (self.sweep(), self.placed[order].order);
                let only = OnlyOrder { order, queue: self.payments.clone(), store };
                Box::pin(async move {
                    use rialto_payments::application::sweep::sweep;
                    let swept = sweep(&only, &provider, &run).await;
                    match swept.map_err(|error| error.to_string())? {
                        swept if swept.failed > 0 => Err("the sweep's visit failed".to_owned()),
                        swept if swept.settled + swept.waiting + swept.skipped == 0 => {
                            Err("the sweep didn't visit the payment".to_owned())
                        }
                        _ => Ok(()),
                    }
                })
            }
        })
    }

    fn take(&mut self, order: usize, invocation: Invocation) -> Result<Running, Disagreement> {
        let is_it = |running: &Running| running.order == order && running.invocation == invocation;
        let at = self.running.iter().position(is_it);
        let at = at.ok_or_else(|| format!("{invocation:?} isn't under way"))?;
        Ok(self.running.remove(at))
    }

    /// Lets an invocation make one call, with this response. A write that conflicts is repeated by
    /// the code: that belongs to the call.
    fn go_on(
        &mut self,
        mut running: Running,
        response: Decision,
        expected: &State,
    ) -> Result<(), Disagreement> {
        let mut waiting = self.poll(&mut running)?;
        loop {
            let Some(call) = waiting else {
                return Err(format!("{:?} makes no call", running.invocation));
            };
            let before = self.payment_version(running.order)?;
            self.decide(running.id, Decision::Proceed);
            waiting = self.poll(&mut running)?;
            if waiting.is_some() {
                // After the call.
                self.decide(running.id, response);
                waiting = self.poll(&mut running)?;
            }
            let conflicted =
                call == "payments.save" && self.payment_version(running.order)? == before;
            if !(conflicted && waiting == Some("payments.save")) {
                break;
            }
        }
        let trigger = running.invocation.trigger;
        let Some(point) = waiting else { return Ok(()) };
        // The model's invocations of this order that the replay doesn't have yet: this is one.
        let mut others: Vec<Invocation> = self
            .running
            .iter()
            .filter(|other| other.order == running.order)
            .map(|other| other.invocation)
            .collect();
        let mut new = None;
        for invocation in expected.sagas[running.order].invocations.iter() {
            match others.iter().position(|other| *other == invocation) {
                Some(at) => drop(others.remove(at)),
                None => new = Some(invocation),
            }
        }
        match new {
            Some(invocation)
                if invocation.trigger == trigger && invocation.next.point() == point =>
            {
                self.running.push(Running { invocation, ..running });
                Ok(())
            }
            other => Err(format!("{trigger:?} calls {point}, the model {other:?}")),
        }
    }

    /// The version of an order's payment, which every write increases; `None` if it has none.
    fn payment_version(&self, order: usize) -> Result<Option<u64>, Disagreement> {
        let payment = ready(self.payments.payment(self.placed[order].order))?;
        let payment = payment.map_err(|error| error.to_string())?;
        Ok(payment.map(|payment| payment.version))
    }

    /// Polls an invocation until it waits at a point, whose name it returns, or has ended.
    fn poll(&self, running: &mut Running) -> Result<Option<&'static str>, Disagreement> {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            if let Poll::Ready(result) = running.work.as_mut().poll(&mut context) {
                self.board.remove(running.id);
                return result.map(|()| None);
            }
            if let Some(ticket) = self.ticket(running.id) {
                return Ok(self.board.wait(ticket).map(|(_, point)| point.name));
            }
        }
        Err("an invocation waits for something else than its ports".to_owned())
    }

    fn ticket(&self, id: InvocationId) -> Option<u32> {
        let undecided = self.board.undecided();
        undecided
            .into_iter()
            .find(|ticket| self.board.wait(*ticket).is_some_and(|(invocation, _)| invocation == id))
    }

    fn decide(&self, id: InvocationId, decision: Decision) {
        if let Some(ticket) = self.ticket(id) {
            self.board.decide(ticket, decision);
        }
    }

    /// Notes the intents that were created since.
    fn list_intents(&mut self) {
        for placed in &mut self.placed {
            for intent in self.provider.intents(placed.order) {
                if !placed.intents.contains(&intent) {
                    placed.intents.push(intent);
                }
            }
        }
    }

    /// Compares everything that the services and the provider have stored with the model's state.
    ///
    /// # Errors
    /// [`Disagreement`] if they differ.
    pub fn compare(&self, expected: &State) -> Result<(), Disagreement> {
        let observed = self.observe(expected)?;
        if observed == *expected {
            return Ok(());
        }
        Err(format!("the model has\n{expected:?}the services have\n{observed:?}"))
    }

    /// Checks the invariants of `rialto reconcile`, which hold whenever everything is at rest.
    /// Before that, orders gets what it only records in its timeline, which isn't in the model.
    ///
    /// # Errors
    /// [`Disagreement`] with what reconcile finds.
    pub fn reconcile(&self, expected: &State) -> Result<(), Disagreement> {
        for (order, saga) in expected.sagas.iter().enumerate() {
            let recorded = Delivery::ALL.into_iter().filter(|delivery| {
                delivery.is_only_recorded() && saga.published.has(delivery.event())
            });
            for delivery in recorded {
                self.deliver(order, delivery)?;
            }
        }
        let snapshot = Snapshot {
            stocks: self.inventory.stocks(),
            movements: self.inventory.all_movements(),
            reservations: self.inventory.reservations(),
            orders: self.orders.orders(),
            payments: self.payments.payments(),
            ledger: self.payments.all_entries(),
            ..Snapshot::default()
        };
        // Work in progress is found too: at rest there is none. The model has no deliveries.
        let mut found = findings(&snapshot, Timestamp::from_millis(0));
        found.retain(|finding| finding.check != "deliveries");
        if found.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        Err(format!("reconcile finds at rest:\n{}", lines.join("\n")))
    }

    /// The services' state in the model's terms. What they don't store is the model's.
    fn observe(&self, expected: &State) -> Result<State, Disagreement> {
        let stocks = self.inventory.stocks();
        let stock = stocks.first().ok_or("there is no stock")?;
        let units = |units: u64| u8::try_from(units).unwrap_or(u8::MAX);
        let stock = Stock {
            available: units(stock.available),
            reserved: units(stock.reserved),
            sold: units(stock.sold),
        };
        let sagas = expected.sagas.iter().enumerate();
        let sagas = sagas.map(|(number, expected)| self.observe_saga(number, expected));
        let late = self.now() >= self.deadline;
        Ok(State { late, stock, sagas: sagas.collect::<Result<_, _>>()? })
    }

    fn observe_saga(&self, number: usize, expected: &Saga) -> Result<Saga, Disagreement> {
        let placed = &self.placed[number];
        let order = ready(self.orders.order(placed.order))?.map_err(|error| error.to_string())?;
        let order = order.ok_or("the order is missing")?;
        let payment = ready(self.payments.payment(placed.order))?;
        let payment = payment.map_err(|error| error.to_string())?;
        let payment =
            payment.map(|payment| observe_payment(&payment, &placed.intents)).transpose()?;
        let mut published = Set::of(&[]);
        for event in self.events(number) {
            let known = Event::ALL.into_iter().find(|known| known.kind() == event.kind);
            let known = known.ok_or_else(|| format!("the model has no {}", event.kind))?;
            if published.has(known) {
                return Err(format!("{known:?} was published twice"));
            }
            published.insert(known);
        }
        let mut intents = List::default();
        for intent in &placed.intents {
            let state = ready(self.provider.retrieve_intent(intent))?;
            intents.push(observe_intent(&state.map_err(|error| error.to_string())?)?);
        }
        let refunds = self.provider.created_refunds(placed.order);
        Ok(Saga {
            order: observe_order(&order)?,
            reservation: self.observe_reservation(placed.order)?,
            payment,
            provider: ProviderState {
                intents,
                refunds: u8::try_from(refunds).unwrap_or(u8::MAX),
                key_retained: expected.provider.key_retained,
                refuses: expected.provider.refuses,
            },
            published,
            handled: expected.handled,
            invocations: self.observe_invocations(number),
        })
    }

    fn observe_invocations(&self, number: usize) -> List<Invocation, 3> {
        let of = self.running.iter().filter(|running| running.order == number);
        let mut invocations: Vec<_> = of.map(|running| running.invocation).collect();
        invocations.sort_unstable();
        let mut list = List::default();
        list.replace(&invocations);
        list
    }

    fn observe_reservation(&self, order: OrderId) -> Result<Reservation, Disagreement> {
        let mut reservations = self.inventory.reservations();
        reservations.retain(|reservation| reservation.order_id == order);
        let Some(reservation) = reservations.first() else { return Ok(Reservation::None) };
        Ok(match (reservation.outcome, reservation.lines.as_slice()) {
            (ReservationOutcome::Rejected, []) => Reservation::Rejected,
            (ReservationOutcome::CancelledFirst, []) => Reservation::CancelledFirst,
            (ReservationOutcome::Reserved, [line]) => match line.state {
                LineState::Reserved => Reservation::Reserved,
                LineState::Sold => Reservation::Sold,
                LineState::Released => Reservation::Released,
                LineState::Returned => Reservation::Returned,
                LineState::WrittenOff => return Err("a line was written off".to_owned()),
            },
            _ => return Err(format!("unexpected reservation: {reservation:?}")),
        })
    }
}

fn succeeds(result: Result<Outcome, Failure>) -> Result<(), Disagreement> {
    result.map(drop).map_err(|error| error.to_string())
}

fn observe_order(order: &StoredOrder) -> Result<Order, Disagreement> {
    Ok(match (order.state, order.reason) {
        (OrderState::Pending, None) => Order::Pending,
        (OrderState::Confirmed, None) => Order::Confirmed,
        (OrderState::Cancelled, Some(reason)) => Order::Cancelled(match reason {
            CancelReason::OutOfStock => Reason::OutOfStock,
            CancelReason::PaymentFailed => Reason::PaymentFailed,
            CancelReason::Timeout => Reason::Timeout,
            CancelReason::Buyer => Reason::Buyer,
            CancelReason::Seller | CancelReason::Other => {
                return Err(format!("unexpected reason: {reason:?}"));
            }
        }),
        other => return Err(format!("unexpected order: {other:?}")),
    })
}

fn observe_payment(payment: &StoredPayment, intents: &[IntentId]) -> Result<Payment, Disagreement> {
    let state = match payment.state {
        StoredPaymentState::Pending => PaymentState::Pending,
        StoredPaymentState::Processing => PaymentState::Processing,
        StoredPaymentState::RequiresAction => PaymentState::RequiresAction,
        StoredPaymentState::Captured => PaymentState::Captured,
        StoredPaymentState::Failed => PaymentState::Failed,
        StoredPaymentState::Voided => PaymentState::Voided,
        StoredPaymentState::Refunded => PaymentState::Refunded,
        StoredPaymentState::PartiallyRefunded => {
            return Err("the payment is PARTIALLY_REFUNDED".to_owned());
        }
    };
    let intent = match &payment.intent_id {
        None => None,
        Some(recorded) => {
            let at = intents.iter().position(|intent| intent == recorded);
            let at = at.ok_or("the recorded intent isn't at the provider")?;
            Some(u8::try_from(at).unwrap_or(u8::MAX))
        }
    };
    let refund = match payment.refunds.as_slice() {
        [] => None,
        [refund] => match refund.state {
            StoredRefundState::Pending => Some(RefundState::Pending),
            StoredRefundState::Issued => Some(RefundState::Issued),
            state => return Err(format!("the refund is {state:?}")),
        },
        refunds => return Err(format!("{} refunds", refunds.len())),
    };
    let cancel_requested = payment.cancel_requested;
    let (tombstone, reason) = (payment.charge.is_none(), payment.reason.as_ref());
    let expired = reason.is_some_and(|reason| reason.as_str() == "expired") && !cancel_requested;
    Ok(Payment { state, tombstone, intent, cancel_requested, expired, refund })
}

fn observe_intent(intent: &IntentState) -> Result<Intent, Disagreement> {
    Ok(match intent {
        IntentState::RequiresConfirmation => Intent::RequiresConfirmation,
        IntentState::RequiresAction => Intent::RequiresAction,
        IntentState::Processing => Intent::Processing,
        IntentState::Succeeded => Intent::Succeeded,
        IntentState::Failed { .. } => Intent::Failed,
        IntentState::Canceled => Intent::Canceled,
        IntentState::Unusable => return Err("the intent is unusable".to_owned()),
    })
}

/// A store whose list of deadlines has one order only, so that a sweep visits no other.
struct OnlyOrder<Q, S> {
    order: OrderId,
    queue: Q,
    store: S,
}

impl<Q: DueQueue<Id = OrderId> + Sync, S: Sync> DueQueue for OnlyOrder<Q, S> {
    type Id = OrderId;
    const SHARDS: u8 = Q::SHARDS;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<OrderId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        let mut entries = self.queue.due(shard, now, after, limit).await?;
        entries.retain(|entry| entry.id == self.order);
        Ok(entries)
    }

    async fn postpone(
        &self,
        entry: &DueEntry<OrderId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        self.queue.postpone(entry, until).await
    }
}

impl<Q: Sync, S: OrderReader + Sync> OrderReader for OnlyOrder<Q, S> {
    async fn order(&self, order: OrderId) -> Result<Option<StoredOrder>, StoreError> {
        self.store.order(order).await
    }
}

impl<Q: Sync, S: OrderWriter + Sync> OrderWriter for OnlyOrder<Q, S> {
    async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
        self.store.save(change).await
    }
}

impl<Q: Sync, S: PaymentReader + Sync> PaymentReader for OnlyOrder<Q, S> {
    async fn payment(&self, order: OrderId) -> Result<Option<StoredPayment>, StoreError> {
        self.store.payment(order).await
    }
}

impl<Q: Sync, S: PaymentWriter + Sync> PaymentWriter for OnlyOrder<Q, S> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<StoredPayment>>, StoreError> {
        self.store.save(change).await
    }
}
