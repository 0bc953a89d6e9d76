//! The model: its bounds, its actions and its transitions.

use crate::{
    properties::properties,
    state::{
        Delivery, Event, Intent, Invocation, Order, Reason, Reservation, Saga, State, Stock,
        Trigger,
    },
};
use stateright::{Model, Property};
use std::fmt;

/// The saga of some orders, within bounds.
#[derive(Debug, Clone)]
pub struct SagaModel {
    pub bounds: Bounds,
    /// A transition that is wrong on purpose.
    pub mistake: Option<Mistake>,
}

/// What limits the number of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Orders, each for one unit of the same product.
    pub orders: usize,
    /// Units that the product has at first.
    pub stock: u8,
    /// Invocations of payments' functions at once, for all orders.
    pub invocations: usize,
    /// Whether the provider may forget its idempotency keys: while no invocation is under way, and
    /// until an order has two intents.
    pub forgets_keys: bool,
    pub provider: Provider,
}

/// What the provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// It charges, declines, decides later, needs the buyer, or refuses the payment method; and its
    /// responses may be lost.
    Complete,
    /// It charges or declines, and answers.
    Prompt,
}

/// A wrong transition, to show that the checks find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mistake {
    /// Inventory reserves without looking at the stock.
    Oversells,
    /// Inventory gives the stock of a cancelled order back with every delivery.
    ReleasesAgain,
    /// Inventory doesn't store a cancellation that comes before its order.
    KeepsNoTombstoneOfStock,
    /// Payments doesn't store a cancellation that comes before its StockReserved.
    KeepsNoTombstoneOfPayment,
    /// Orders ignores StockRejected.
    IgnoresRejections,
    /// Orders confirms a cancelled order when its PaymentCaptured arrives.
    ConfirmsCancelledOrders,
    /// Payments doesn't read the payment again before it confirms an earlier invocation's intent.
    ConfirmsWithoutReading,
    /// Payments doesn't refund a capture whose cancellation came during the charge.
    IgnoresRequestedCancellations,
    /// Payments doesn't refund a captured payment when its order is cancelled.
    KeepsMoney,
    /// Payments creates another refund for each attempt.
    RefundsAgain,
    /// Payments' sweep doesn't take up unfinished charges.
    SweepsNoCharges,
}

/// Something that happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Orders or inventory handles an event, for the first time or again.
    Deliver { order: usize, delivery: Delivery },
    /// A function of payments is invoked and makes its first call.
    Invoke { order: usize, trigger: Trigger },
    /// An invocation makes its next call.
    Step { order: usize, invocation: Invocation, answer: Answer },
    /// An invocation ends before its next call.
    Crash { order: usize, invocation: Invocation },
    /// The buyer cancels.
    Cancel { order: usize },
    /// Orders' sweep cancels an order that is PENDING past its deadline.
    TimeOut { order: usize },
    /// The deadline of all orders passes.
    PassDeadline,
    /// The provider ends a charge that it is processing, or the buyer one that needs it.
    EndCharge { order: usize, succeeds: bool },
    /// The provider forgets all idempotency keys.
    ForgetKeys,
}

/// How a call is answered, where there is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// As the state demands.
    Determined,
    /// As the state demands, but the response is lost.
    Lost,
    /// The provider refuses the payment method.
    Refusal,
    /// The confirmed intent gets this state.
    Charge(Intent),
    /// The confirmed intent gets this state, but the response is lost.
    LostCharge(Intent),
}

impl Bounds {
    const ONE_ORDER: Self = Self {
        orders: 1,
        stock: 1,
        invocations: 2,
        forgets_keys: true,
        provider: Provider::Complete,
    };
    const LAST_UNIT: Self = Self {
        orders: 2,
        stock: 1,
        invocations: 1,
        forgets_keys: false,
        provider: Provider::Prompt,
    };

    /// Small enough for a unit test.
    pub const QUICK: [Self; 2] = [Self::ONE_ORDER, Self::LAST_UNIT];

    /// The largest.
    pub const FULL: [Self; 2] = [
        Self { invocations: 3, ..Self::ONE_ORDER },
        Self { provider: Provider::Complete, ..Self::LAST_UNIT },
    ];
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, stock, invocations, forgets_keys, provider } = self;
        write!(f, "{orders} orders, {stock} in stock, {invocations} invocations at once")?;
        f.write_str(if *forgets_keys { ", forgotten keys" } else { "" })?;
        write!(f, ", {provider:?} provider")
    }
}

impl SagaModel {
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, mistake: None }
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// All orders have been placed, and nothing else has happened.
    #[must_use]
    pub fn first(&self) -> State {
        let stock = Stock { available: self.bounds.stock, reserved: 0, sold: 0 };
        State { late: false, stock, sagas: vec![Saga::placed(); self.bounds.orders] }
    }

    /// What can happen in a state, faults and repetitions included.
    #[must_use]
    pub fn possible(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        if !state.late {
            actions.push(Action::PassDeadline);
        }
        if self.bounds.forgets_keys
            && state.invocations() == 0
            && state.sagas.iter().any(|saga| saga.provider.key_retained)
            && state.sagas.iter().all(|saga| saga.provider.intents.len() < 2)
        {
            actions.push(Action::ForgetKeys);
        }
        for (order, saga) in state.sagas.iter().enumerate() {
            self.add_possible(state, order, saga, &mut actions);
        }
        actions
    }

    fn add_possible(&self, state: &State, order: usize, saga: &Saga, actions: &mut Vec<Action>) {
        if saga.order == Order::Pending {
            actions.push(Action::Cancel { order });
            if state.late {
                actions.push(Action::TimeOut { order });
            }
        }
        let may_invoke = state.invocations() < self.bounds.invocations;
        for delivery in Delivery::ALL {
            if !saga.published.has(delivery.event()) {
                continue;
            }
            match delivery.trigger() {
                None => actions.push(Action::Deliver { order, delivery }),
                Some(trigger) if may_invoke => actions.push(Action::Invoke { order, trigger }),
                Some(_) => {}
            }
        }
        if may_invoke {
            // After the payment has ended it changes nothing.
            if saga.is_payment_open() && saga.recorded_intent().is_some_and(Intent::has_ended) {
                actions.push(Action::Invoke { order, trigger: Trigger::Webhook });
            }
            if self.sweep_is_due(state, saga) {
                actions.push(Action::Invoke { order, trigger: Trigger::Sweep });
            }
        }
        if saga.provider.intents.iter().any(Intent::is_left_to_others) {
            for succeeds in [true, false] {
                actions.push(Action::EndCharge { order, succeeds });
            }
        }
        let mut last = None;
        for invocation in saga.invocations.iter() {
            // Two invocations at the same call are interchangeable.
            if last.replace(invocation) == Some(invocation) {
                continue;
            }
            for answer in saga.answers(invocation, self.bounds.provider) {
                actions.push(Action::Step { order, invocation, answer });
            }
            actions.push(Action::Crash { order, invocation });
        }
    }

    fn sweep_is_due(&self, state: &State, saga: &Saga) -> bool {
        let open = saga.is_payment_open();
        let charging = saga.payment.is_some_and(|payment| payment.is_charging());
        state.late && open && !(charging && self.makes(Mistake::SweepsNoCharges))
    }

    /// What the system does by itself: without buyers, webhooks, faults and repetitions.
    #[must_use]
    pub fn progress(&self, state: &State) -> Vec<Action> {
        let mut possible = self.possible(state);
        possible.retain(|action| match action {
            Action::Deliver { order, delivery } => {
                state.sagas[*order].unhandled().any(|unhandled| unhandled == *delivery)
            }
            Action::Invoke { order, trigger } => match trigger.delivery() {
                Some(delivery) => {
                    state.sagas[*order].unhandled().any(|unhandled| unhandled == delivery)
                }
                None => *trigger == Trigger::Sweep,
            },
            Action::Step { answer, .. } => !matches!(answer, Answer::Lost | Answer::LostCharge(_)),
            Action::TimeOut { .. } | Action::PassDeadline | Action::EndCharge { .. } => true,
            Action::Crash { .. } | Action::Cancel { .. } | Action::ForgetKeys => false,
        });
        possible
    }

    /// The state after an action that is possible in `state`.
    #[must_use]
    pub fn apply(&self, state: &State, action: Action) -> State {
        let mut next = state.clone();
        match action {
            Action::PassDeadline => next.late = true,
            Action::ForgetKeys => {
                for saga in &mut next.sagas {
                    saga.provider.key_retained = false;
                }
            }
            Action::Cancel { order } => next.sagas[order].cancel(Reason::Buyer),
            Action::TimeOut { order } => next.sagas[order].cancel(Reason::Timeout),
            Action::EndCharge { order, succeeds } => {
                let end = if succeeds { Intent::Succeeded } else { Intent::Failed };
                let intents = &mut next.sagas[order].provider.intents;
                let ended = intents.iter().map(|intent| match intent {
                    Intent::Processing | Intent::RequiresAction => end,
                    intent => intent,
                });
                intents.replace(&ended.collect::<Vec<_>>());
            }
            Action::Deliver { order, delivery } => self.deliver(&mut next, order, delivery),
            Action::Invoke { order, trigger } => {
                let saga = &mut next.sagas[order];
                let call = self.invoke(saga, trigger, state.late);
                saga.go_on(trigger, call);
            }
            Action::Step { order, invocation, answer } => {
                let saga = &mut next.sagas[order];
                saga.end_invocation(invocation);
                let call = self.step(saga, invocation, answer, state.late);
                saga.go_on(invocation.trigger, call);
            }
            Action::Crash { order, invocation } => next.sagas[order].end_invocation(invocation),
        }
        next
    }

    /// Orders or inventory handles an event: one read and one conditional write, so one step.
    fn deliver(&self, state: &mut State, order: usize, delivery: Delivery) {
        let State { stock, sagas, .. } = state;
        let saga = &mut sagas[order];
        match delivery {
            Delivery::OrderPlacedToInventory => self.place(stock, saga),
            Delivery::OrderConfirmedToInventory => {
                if saga.reservation == Reservation::Reserved {
                    saga.reservation = Reservation::Sold;
                    stock.reserved -= 1;
                    stock.sold += 1;
                }
            }
            Delivery::OrderCancelledToInventory => self.release(stock, saga),
            Delivery::StockRejectedToOrders => {
                if !self.makes(Mistake::IgnoresRejections) {
                    saga.cancel(Reason::OutOfStock);
                }
            }
            Delivery::PaymentCapturedToOrders => {
                let again = self.makes(Mistake::ConfirmsCancelledOrders)
                    && matches!(saga.order, Order::Cancelled(_));
                if saga.order == Order::Pending || again {
                    saga.order = Order::Confirmed;
                    saga.published.insert(Event::OrderConfirmed);
                }
            }
            Delivery::PaymentFailedToOrders => {
                let expired = saga.payment.is_some_and(|payment| payment.expired);
                saga.cancel(if expired { Reason::Timeout } else { Reason::PaymentFailed });
            }
            Delivery::StockReservedToOrders
            | Delivery::StockReleasedToOrders
            | Delivery::PaymentActionRequiredToOrders
            | Delivery::RefundIssuedToOrders => return,
            Delivery::OrderCancelledToPayments | Delivery::StockReservedToPayments => {
                unreachable!("payments is invoked")
            }
        }
        saga.handled.insert(delivery);
    }

    /// Reserves a unit, or rejects the order.
    fn place(&self, stock: &mut Stock, saga: &mut Saga) {
        if saga.reservation != Reservation::None {
            return;
        }
        if stock.available > 0 || self.makes(Mistake::Oversells) {
            saga.reservation = Reservation::Reserved;
            stock.available = stock.available.saturating_sub(1);
            stock.reserved += 1;
            saga.published.insert(Event::StockReserved);
        } else {
            saga.reservation = Reservation::Rejected;
            saga.published.insert(Event::StockRejected);
        }
    }

    /// Gives the stock of a cancelled order back.
    fn release(&self, stock: &mut Stock, saga: &mut Saga) {
        match saga.reservation {
            Reservation::None if self.makes(Mistake::KeepsNoTombstoneOfStock) => {}
            Reservation::None => saga.reservation = Reservation::CancelledFirst,
            Reservation::Reserved => {
                saga.reservation = Reservation::Released;
                stock.reserved -= 1;
                stock.available += 1;
                saga.published.insert(Event::StockReleased);
            }
            Reservation::Sold => {
                saga.reservation = Reservation::Returned;
                stock.sold -= 1;
                stock.available += 1;
                saga.published.insert(Event::StockReleased);
            }
            Reservation::Released if self.makes(Mistake::ReleasesAgain) && stock.available < 2 => {
                stock.available += 1;
            }
            _ => {}
        }
    }
}

impl Saga {
    /// Cancels a PENDING order.
    fn cancel(&mut self, reason: Reason) {
        if self.order == Order::Pending {
            self.order = Order::Cancelled(reason);
            self.published.insert(Event::OrderCancelled);
        }
    }
}

impl Model for SagaModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(self.possible(state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = self.apply(state, action);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(&self.bounds)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver { order, delivery } => write!(f, "{order}: {delivery:?}"),
            Self::Invoke { order, trigger } => write!(f, "{order}: payments begins: {trigger:?}"),
            Self::Step { order, invocation, answer } => {
                write!(f, "{order}: {:?}: {:?}", invocation.trigger, invocation.next)?;
                if *answer == Answer::Determined { Ok(()) } else { write!(f, ", {answer:?}") }
            }
            Self::Crash { order, invocation } => {
                let Invocation { trigger, next } = invocation;
                write!(f, "{order}: {trigger:?}: crashes before {next:?}")
            }
            Self::Cancel { order } => write!(f, "{order}: the buyer cancels"),
            Self::TimeOut { order } => write!(f, "{order}: orders' sweep cancels"),
            Self::PassDeadline => f.write_str("the deadline passes"),
            Self::EndCharge { order, succeeds } => {
                let end = if *succeeds { "succeed" } else { "fail" };
                write!(f, "{order}: the provider or the buyer lets the charge {end}")
            }
            Self::ForgetKeys => f.write_str("the provider forgets all idempotency keys"),
        }
    }
}
