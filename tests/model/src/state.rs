//! The state of the model: what the services store, what the provider has, and what is under way.

use std::fmt;

/// The whole state. Every order is for units of one product, so that orders compete for them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// Whether the deadline of all orders has passed.
    pub late: bool,
    pub stock: Stock,
    pub sagas: Vec<Saga>,
}

/// A product's stock, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stock {
    pub available: u8,
    pub reserved: u8,
    pub sold: u8,
}

/// An order, and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Saga {
    pub order: Order,
    pub reservation: Reservation,
    /// `None` before inventory's or orders' first event has reached payments.
    pub payment: Option<Payment>,
    pub provider: ProviderState,
    /// The events that were published.
    pub published: Set<Event>,
    /// The deliveries that ended well at least once. The queue repeats all others.
    pub handled: Set<Delivery>,
    /// The invocations of payments' functions that are under way, sorted.
    pub invocations: List<Invocation, 3>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    Pending,
    Confirmed,
    Cancelled(Reason),
}

/// Why an order was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    OutOfStock,
    PaymentFailed,
    Timeout,
    Buyer,
}

/// An order's line at inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reservation {
    /// Inventory has consumed no event of the order.
    None,
    Reserved,
    Sold,
    Released,
    Returned,
    Rejected,
    /// Tombstone: the cancellation arrived before the order.
    CancelledFirst,
}

/// An order's payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Payment {
    pub state: PaymentState,
    /// Tombstone: the cancellation arrived before StockReserved, so there is nothing to charge.
    pub tombstone: bool,
    /// The recorded intent, as a position in [`ProviderState::intents`].
    pub intent: Option<u8>,
    /// The order was cancelled while the charge was processing.
    pub cancel_requested: bool,
    /// The charge failed as its intent was cancelled, out of time.
    pub expired: bool,
    pub refund: Option<RefundState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PaymentState {
    Pending,
    Processing,
    RequiresAction,
    Captured,
    Failed,
    Voided,
    Refunded,
}

/// The refund of everything that was captured, as payments records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefundState {
    Pending,
    Issued,
}

/// What the provider has of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProviderState {
    /// In the order of their creation.
    pub intents: List<Intent, 2>,
    /// Whether the newest intent's idempotency key is retained.
    pub key_retained: bool,
    /// The provider refuses to create intents with the order's payment method.
    pub refuses: bool,
    /// Refunds that were issued.
    pub refunds: u8,
}

/// A payment intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Intent {
    RequiresConfirmation,
    RequiresAction,
    Processing,
    Succeeded,
    Failed,
    Canceled,
}

/// An event of an order. Each is published once at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    OrderPlaced,
    OrderConfirmed,
    OrderCancelled,
    StockReserved,
    StockRejected,
    StockReleased,
    PaymentCaptured,
    PaymentFailed,
    PaymentActionRequired,
    RefundIssued,
}

/// An event on its way to a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Delivery {
    OrderPlacedToInventory,
    OrderConfirmedToInventory,
    OrderCancelledToInventory,
    OrderCancelledToPayments,
    StockReservedToPayments,
    StockReservedToOrders,
    StockRejectedToOrders,
    StockReleasedToOrders,
    PaymentCapturedToOrders,
    PaymentFailedToOrders,
    PaymentActionRequiredToOrders,
    RefundIssuedToOrders,
}

/// An invocation of a function of payments. It crashes at any time; each call of its ports is a
/// step of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Invocation {
    pub trigger: Trigger,
    /// The call that it makes next.
    pub next: Call,
}

/// Why a function of payments was invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    StockReserved,
    OrderCancelled,
    Webhook,
    Sweep,
}

/// A call of payments' store or of the provider, with what the invocation has read before that it
/// depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Creates an intent at the provider; with the retained key it is the same one again.
    CreateIntent,
    /// Records a created intent in the payment.
    RecordIntent(u8),
    /// Records that the provider refuses to create an intent.
    RecordRefusal,
    /// Cancels an intent that couldn't be recorded; `then` is how it goes on by the stored payment.
    CancelUnrecorded {
        intent: u8,
        then: Continuation,
    },
    /// Retrieves the recorded intent. `Processing`: the payment was that when it was read, so that
    /// an outcome is recorded.
    Retrieve(Continuation),
    /// Retrieves the recorded intent once more, after the provider refused to cancel it.
    RetrieveAgain,
    /// Reads the payment, because its order may have been cancelled.
    ReadPayment,
    /// Reads the payment, whose charge the buyer has to authenticate, for the same reason.
    ReadForAction,
    /// Records that the buyer has to authenticate the charge.
    RecordAction,
    ConfirmIntent,
    CancelIntent,
    /// Records the charge's outcome: the intent's final state.
    RecordOutcome(Intent),
    FindRefund,
    CreateRefund,
    /// Records that the refund was issued.
    RecordRefund,
}

/// How an invocation goes on by the payment that it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Continuation {
    /// The charge is unfinished: settles it.
    Charge,
    /// The charge is left to the buyer: settles it only out of time.
    Buyer,
    /// The refund is unfinished: settles it.
    Refund,
    /// There is nothing to do.
    End,
}

impl Event {
    pub const ALL: [Self; 10] = [
        Self::OrderPlaced,
        Self::OrderConfirmed,
        Self::OrderCancelled,
        Self::StockReserved,
        Self::StockRejected,
        Self::StockReleased,
        Self::PaymentCaptured,
        Self::PaymentFailed,
        Self::PaymentActionRequired,
        Self::RefundIssued,
    ];

    /// Its type in the contracts.
    #[must_use]
    pub fn kind(self) -> String {
        format!("{self:?}")
    }
}

impl Delivery {
    pub const ALL: [Self; 12] = [
        Self::OrderPlacedToInventory,
        Self::OrderConfirmedToInventory,
        Self::OrderCancelledToInventory,
        Self::OrderCancelledToPayments,
        Self::StockReservedToPayments,
        Self::StockReservedToOrders,
        Self::StockRejectedToOrders,
        Self::StockReleasedToOrders,
        Self::PaymentCapturedToOrders,
        Self::PaymentFailedToOrders,
        Self::PaymentActionRequiredToOrders,
        Self::RefundIssuedToOrders,
    ];

    /// The event that is delivered.
    #[must_use]
    pub const fn event(self) -> Event {
        match self {
            Self::OrderPlacedToInventory => Event::OrderPlaced,
            Self::OrderConfirmedToInventory => Event::OrderConfirmed,
            Self::OrderCancelledToInventory | Self::OrderCancelledToPayments => {
                Event::OrderCancelled
            }
            Self::StockReservedToPayments | Self::StockReservedToOrders => Event::StockReserved,
            Self::StockRejectedToOrders => Event::StockRejected,
            Self::StockReleasedToOrders => Event::StockReleased,
            Self::PaymentCapturedToOrders => Event::PaymentCaptured,
            Self::PaymentFailedToOrders => Event::PaymentFailed,
            Self::PaymentActionRequiredToOrders => Event::PaymentActionRequired,
            Self::RefundIssuedToOrders => Event::RefundIssued,
        }
    }

    /// Whether orders only records the event in its timeline, which isn't modelled.
    #[must_use]
    pub const fn is_only_recorded(self) -> bool {
        matches!(
            self,
            Self::StockReservedToOrders
                | Self::StockReleasedToOrders
                | Self::PaymentActionRequiredToOrders
                | Self::RefundIssuedToOrders
        )
    }

    /// The invocation of payments that the delivery causes; `None` if another service handles it,
    /// in one step.
    #[must_use]
    pub const fn trigger(self) -> Option<Trigger> {
        match self {
            Self::StockReservedToPayments => Some(Trigger::StockReserved),
            Self::OrderCancelledToPayments => Some(Trigger::OrderCancelled),
            _ => None,
        }
    }
}

impl Trigger {
    /// The delivery that is handled when the invocation has ended.
    #[must_use]
    pub const fn delivery(self) -> Option<Delivery> {
        match self {
            Self::StockReserved => Some(Delivery::StockReservedToPayments),
            Self::OrderCancelled => Some(Delivery::OrderCancelledToPayments),
            Self::Webhook | Self::Sweep => None,
        }
    }
}

impl Saga {
    /// An order that was placed just now.
    #[must_use]
    pub fn placed() -> Self {
        Self {
            order: Order::Pending,
            reservation: Reservation::None,
            payment: None,
            provider: ProviderState::default(),
            published: Set::of(&[Event::OrderPlaced]),
            handled: Set::of(&[]),
            invocations: List::default(),
        }
    }

    /// The deliveries of published events that haven't been handled yet.
    pub fn unhandled(&self) -> impl Iterator<Item = Delivery> + '_ {
        Delivery::ALL.into_iter().filter(|delivery| {
            !delivery.is_only_recorded()
                && self.published.has(delivery.event())
                && !self.handled.has(*delivery)
        })
    }

    /// The state of the recorded intent.
    #[must_use]
    pub fn recorded_intent(&self) -> Option<Intent> {
        let position = self.payment?.intent?;
        self.provider.intents.get(position)
    }

    /// Charges that succeeded.
    #[must_use]
    pub fn charges(&self) -> usize {
        self.provider.intents.iter().filter(|intent| *intent == Intent::Succeeded).count()
    }

    /// Whether payments has a charge or a refund to finish.
    #[must_use]
    pub fn is_payment_open(&self) -> bool {
        self.payment.is_some_and(|payment| payment.continuation() != Continuation::End)
    }
}

impl State {
    /// Whether everything is at rest: nothing undelivered or under way, no order PENDING, no charge
    /// and no refund unfinished.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.sagas.iter().all(|saga| {
            saga.order != Order::Pending
                && saga.invocations.is_empty()
                && saga.unhandled().next().is_none()
                && !saga.is_payment_open()
        })
    }

    /// The number of invocations under way.
    #[must_use]
    pub fn invocations(&self) -> usize {
        self.sagas.iter().map(|saga| saga.invocations.len()).sum()
    }
}

impl Payment {
    #[must_use]
    pub const fn pending() -> Self {
        Self {
            state: PaymentState::Pending,
            tombstone: false,
            intent: None,
            cancel_requested: false,
            expired: false,
            refund: None,
        }
    }

    #[must_use]
    pub const fn tombstone() -> Self {
        Self { state: PaymentState::Voided, tombstone: true, ..Self::pending() }
    }

    /// Whether the charge was started and hasn't ended.
    #[must_use]
    pub const fn is_charging(&self) -> bool {
        matches!(self.state, PaymentState::Processing | PaymentState::RequiresAction)
    }

    /// What an invocation that has read this payment does next.
    #[must_use]
    pub fn continuation(&self) -> Continuation {
        if self.state == PaymentState::RequiresAction && !self.cancel_requested {
            Continuation::Buyer
        } else if self.is_charging() {
            Continuation::Charge
        } else if self.refund == Some(RefundState::Pending) {
            Continuation::Refund
        } else {
            Continuation::End
        }
    }
}

/// A list of at most `N` items. States are copied so often that it isn't on the heap.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct List<T, const N: usize>([Option<T>; N]);

impl<T: Copy, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self([None; N])
    }
}

impl<T: Copy + PartialEq, const N: usize> List<T, N> {
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().flatten().copied()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn has(&self, item: T) -> bool {
        self.iter().any(|other| other == item)
    }

    #[must_use]
    pub fn get(&self, position: u8) -> Option<T> {
        self.0.get(usize::from(position)).copied().flatten()
    }

    pub fn set(&mut self, position: u8, item: T) {
        if let Some(place) = self.0.get_mut(usize::from(position)) {
            *place = Some(item);
        }
    }

    /// Adds an item at the end; returns its position.
    ///
    /// # Panics
    /// If the list is full.
    pub fn push(&mut self, item: T) -> u8 {
        let position = self.len();
        self.0[position] = Some(item);
        u8::try_from(position).unwrap_or(u8::MAX)
    }

    /// Replaces all items.
    ///
    /// # Panics
    /// If there are more than `N`.
    pub fn replace(&mut self, items: &[T]) {
        *self = Self::default();
        for item in items {
            self.push(*item);
        }
    }
}

impl<T: Copy + PartialEq + fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A member of a [`Set`], with its position among all.
pub trait Member: Copy + fmt::Debug + 'static {
    const ALL: &'static [Self];
    fn position(self) -> u32;
}

impl Member for Event {
    const ALL: &'static [Self] = &Self::ALL;
    fn position(self) -> u32 {
        self as u32
    }
}

impl Member for Delivery {
    const ALL: &'static [Self] = &Self::ALL;
    fn position(self) -> u32 {
        self as u32
    }
}

/// A set of events or deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Set<T> {
    bits: u16,
    members: std::marker::PhantomData<T>,
}

impl<T: Member> Set<T> {
    #[must_use]
    pub fn of(members: &[T]) -> Self {
        let mut set = Self { bits: 0, members: std::marker::PhantomData };
        for member in members {
            set.insert(*member);
        }
        set
    }

    pub fn insert(&mut self, member: T) {
        self.bits |= 1 << member.position();
    }

    #[must_use]
    pub fn has(&self, member: T) -> bool {
        self.bits & (1 << member.position()) != 0
    }
}

impl<T: Member> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(T::ALL.iter().filter(|member| self.has(**member))).finish()
    }
}

impl fmt::Debug for State {
    /// One line for each part of an order, for the Explorer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stock { available, reserved, sold } = self.stock;
        writeln!(f, "{}", if self.late { "past the deadline" } else { "before the deadline" })?;
        writeln!(f, "stock: {available} available, {reserved} reserved, {sold} sold")?;
        for (number, saga) in self.sagas.iter().enumerate() {
            writeln!(f, "order {number}: {:?}", saga.order)?;
            writeln!(f, "  reservation: {:?}", saga.reservation)?;
            writeln!(f, "  payment: {:?}", saga.payment)?;
            writeln!(f, "  provider: {:?}", saga.provider)?;
            writeln!(f, "  published: {:?}", saga.published)?;
            writeln!(f, "  to deliver: {:?}", saga.unhandled().collect::<Vec<_>>())?;
            writeln!(f, "  under way: {:?}", saga.invocations)?;
        }
        Ok(())
    }
}
