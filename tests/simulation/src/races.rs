//! Races that a large enough number of runs must have reached: each is counted, and one that was
//! never reached means that the simulation doesn't test what it claims to. Faults are counted too.

use crate::{
    delivery_operations::DEADLINES,
    faults::{Fault, PointFault},
    invocations::Invocation,
    io::{InvocationId, Kind, Moment, Observation, Point},
    queues::{Consumer, QueuedMessage},
    workload::Operation,
    world::World,
};
use rialto_inventory::domain::reserved_line::{LineState, ReservedLine};
use rialto_kernel::{OrderId, Timestamp};
use rialto_lambda::sqs::Outcome;
use rialto_orders::domain::order::{Order, OrderState};
use rialto_payments::domain::{
    payment::{Payment, PaymentState},
    refund::{RefundKind, RefundState},
};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Race {
    /// Inventory handled a cancellation before the order itself.
    CancellationBeforeReservation,
    /// Payments handled a cancellation before StockReserved.
    CancellationBeforePayment,
    /// Orders consumed StockReserved after the order was cancelled.
    ReservationAfterCancellation,
    /// A charge succeeded after its order was cancelled.
    CaptureAfterCancellation,
    /// StockReserved was handled after the order's deadline, so that nothing was charged.
    ReservationAfterDeadline,
    /// A webhook and the consumer of StockReserved worked on one payment at once.
    WebhookDuringCharge,
    /// A webhook arrived between a confirmation and its response.
    WebhookDuringConfirmation,
    /// A webhook arrived for a cancelled order.
    WebhookAfterCancellation,
    /// A webhook was about an intent that the payment didn't record.
    WebhookOfAnotherAttempt,
    /// A refund's webhook was handled before the response to the refund.
    RefundWebhookBeforeResponse,
    /// A sweep ran while another invocation worked on the same service.
    SweepDuringHandler,
    /// A sweep's write conflicted with that of another invocation.
    SweepConflict,
    /// A buyer's or supervisor's cancellation conflicted with another write.
    CancellationConflict,
    /// A consumer's write conflicted with that of another invocation.
    ConsumerConflict,
    /// A message was delivered while an earlier delivery was still being handled.
    ConcurrentDeliveries,
    /// Two copies of one event were handled at once.
    ConcurrentCopies,
    /// Two invocations of a function worked on different events of one order at once.
    ConcurrentEvents,
    /// A consumer handled an event after a later one of the same aggregate.
    OvertakenEvent,
    /// An invocation crashed after the provider had confirmed a charge and before it was recorded.
    CrashAfterCharge,
    /// An invocation crashed after the provider had created a refund and before it was recorded.
    CrashAfterRefund,
    /// The response to a write that was done was lost.
    LostWriteResponse,
    /// The response of the provider to a confirmation was lost.
    LostChargeResponse,
    /// After a lost response to a confirmation the same invocation retrieved the intent.
    LostChargeRetrieved,
    /// The response of the provider to a refund was lost.
    LostRefundResponse,
    /// A refund whose response was lost was found at the provider.
    LostRefundFound,
    /// A refund failed.
    RefundFailed,
    /// A refund failed after it had succeeded.
    RefundReversed,
    /// A refund that was refused for the moment was tried again.
    RefundRepeated,
    /// A message used up its receives and was redriven.
    DeadLetter,
    /// Stock ran out.
    OutOfStock,
    /// A seller adjusted a product's stock while an order's reservation was being written.
    AdjustmentDuringReservation,
    /// A seller's adjustment conflicted with another write of the stock.
    AdjustmentConflict,
    /// Two requests with one Idempotency-Key were handled at once.
    ConcurrentPlacements,
    /// A placement was refused, as its key was used with another body.
    ReusedKey,
    /// A repeated placement got the first one's answer.
    RepeatedPlacement,
    /// A repeated adjustment got the first one's answer.
    RepeatedAdjustment,
    /// A product couldn't be ordered.
    UnorderableProduct,
    /// A product changed while an order was being placed.
    ChangeDuringPlacement,
    /// An order passed its deadline while its charge was under way.
    TimeoutDuringCharge,
    /// A sweep's clock was beyond an order's deadline before the time was, or after it.
    SkewAtDeadline,
    /// An index was read in a state that differed from the present one.
    StaleIndex,
    /// A buyer was unregistered with an open order.
    UnregisteredWithOpenOrder,
    /// A buyer was unregistered while an order was being placed.
    UnregisteredDuringPlacement,
    /// Two requests about lines of one order were handled at once.
    ConcurrentLineRequests,
    /// A request about a line conflicted with another write of the order.
    LineRequestConflict,
    /// Inventory handled a line's end before the order's confirmation.
    LineEndBeforeSale,
    /// Inventory handled another event about a split line before that of its split.
    SplitInAnotherEvent,
    /// Payments handled the cancellation of a confirmed order before the end of a line.
    CancellationBeforeLineEnd,
    /// A line was rejected, as it wasn't accepted in time.
    UnacceptedLine,
    /// A failed payment was followed by a further attempt.
    PaidAgain,
    /// A repeated further attempt got the payment as it was.
    RepeatedAttempt,
    /// Two further attempts to pay one order were handled at once.
    ConcurrentAttempts,
    /// The time to pay again passed.
    TimeToPayAgainEnded,
    /// A webhook was about an attempt that another had followed.
    WebhookOfEarlierAttempt,
    /// An attempt succeeded that another had followed.
    EarlierAttemptCaptured,
    /// An attempt succeeded beside another.
    SuccessBesideCapture,
    /// A buyer authenticated a charge.
    AuthenticatedCharge,
    /// A buyer didn't authenticate a charge in time.
    AbandonedCharge,
    /// A line was returned with a part of its share.
    ReturnedForLess,
    /// A return was confirmed by its deadline.
    UnansweredReturn,
    /// A receipt was confirmed by its deadline.
    UnconfirmedReceipt,
    /// A dispute was open when payments handled a return.
    DisputeBeforeReturn,
    /// A charge was disputed while a line's return was requested.
    DisputeDuringReturn,
    /// A charge was disputed after a line's return.
    DisputeAfterReturn,
    /// The provider refused a refund because of a dispute whose webhook hadn't come.
    RefundRefusedInDispute,
    /// A refund that had waited for a dispute was sent after it was won.
    RefundAfterDispute,
    /// A lost dispute settled a refund.
    RefundSettledByDispute,
    /// A goodwill refund was issued.
    GoodwillIssued,
    /// A goodwill refund was refused, as less was left.
    GoodwillAboveLeft,
    /// A goodwill refund was refused, as a dispute was open.
    GoodwillDuringDispute,
    /// A repeated goodwill refund got the first one's answer.
    RepeatedGoodwill,
    /// A failed refund was issued by a further try.
    FailedRefundIssued,
    /// All invocations ended at once while an order was PENDING.
    OutageWithPendingOrder,
}

impl Race {
    pub const ALL: [Self; 73] = [
        Self::CancellationBeforeReservation,
        Self::CancellationBeforePayment,
        Self::ReservationAfterCancellation,
        Self::CaptureAfterCancellation,
        Self::ReservationAfterDeadline,
        Self::WebhookDuringCharge,
        Self::WebhookDuringConfirmation,
        Self::WebhookAfterCancellation,
        Self::WebhookOfAnotherAttempt,
        Self::RefundWebhookBeforeResponse,
        Self::SweepDuringHandler,
        Self::SweepConflict,
        Self::CancellationConflict,
        Self::ConsumerConflict,
        Self::ConcurrentDeliveries,
        Self::ConcurrentCopies,
        Self::ConcurrentEvents,
        Self::OvertakenEvent,
        Self::CrashAfterCharge,
        Self::CrashAfterRefund,
        Self::LostWriteResponse,
        Self::LostChargeResponse,
        Self::LostChargeRetrieved,
        Self::LostRefundResponse,
        Self::LostRefundFound,
        Self::RefundFailed,
        Self::RefundReversed,
        Self::RefundRepeated,
        Self::DeadLetter,
        Self::OutOfStock,
        Self::AdjustmentDuringReservation,
        Self::AdjustmentConflict,
        Self::ConcurrentPlacements,
        Self::ReusedKey,
        Self::RepeatedPlacement,
        Self::RepeatedAdjustment,
        Self::UnorderableProduct,
        Self::ChangeDuringPlacement,
        Self::TimeoutDuringCharge,
        Self::SkewAtDeadline,
        Self::StaleIndex,
        Self::UnregisteredWithOpenOrder,
        Self::UnregisteredDuringPlacement,
        Self::ConcurrentLineRequests,
        Self::LineRequestConflict,
        Self::LineEndBeforeSale,
        Self::SplitInAnotherEvent,
        Self::CancellationBeforeLineEnd,
        Self::UnacceptedLine,
        Self::PaidAgain,
        Self::RepeatedAttempt,
        Self::ConcurrentAttempts,
        Self::TimeToPayAgainEnded,
        Self::WebhookOfEarlierAttempt,
        Self::EarlierAttemptCaptured,
        Self::SuccessBesideCapture,
        Self::AuthenticatedCharge,
        Self::AbandonedCharge,
        Self::ReturnedForLess,
        Self::UnansweredReturn,
        Self::UnconfirmedReceipt,
        Self::DisputeBeforeReturn,
        Self::DisputeDuringReturn,
        Self::DisputeAfterReturn,
        Self::RefundRefusedInDispute,
        Self::RefundAfterDispute,
        Self::RefundSettledByDispute,
        Self::GoodwillIssued,
        Self::GoodwillAboveLeft,
        Self::GoodwillDuringDispute,
        Self::RepeatedGoodwill,
        Self::FailedRefundIssued,
        Self::OutageWithPendingOrder,
    ];
}

/// How often each race was reached, and each fault injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Races {
    reached: [u64; Race::ALL.len()],
    injected: [u64; Fault::ALL.len()],
}

impl Default for Races {
    fn default() -> Self {
        Self { reached: [0; Race::ALL.len()], injected: [0; Fault::ALL.len()] }
    }
}

impl Races {
    pub const fn reach(&mut self, race: Race) {
        self.reached[race as usize] += 1;
    }

    pub const fn inject(&mut self, fault: Fault) {
        self.injected[fault as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        let reached = self.reached.iter_mut().zip(other.reached);
        for (count, more) in reached.chain(self.injected.iter_mut().zip(other.injected)) {
            *count += more;
        }
    }

    #[must_use]
    pub const fn count(&self, race: Race) -> u64 {
        self.reached[race as usize]
    }

    /// The names of the races that were never reached, and of the faults that never happened.
    #[must_use]
    pub fn unreached(&self) -> Vec<String> {
        self.rows().filter(|(count, _)| *count == 0).map(|(_, name)| name).collect()
    }

    fn rows(&self) -> impl Iterator<Item = (u64, String)> {
        let races = Race::ALL.into_iter().map(|race| (self.count(race), format!("{race:?}")));
        let faults = Fault::ALL.into_iter();
        races.chain(faults.map(|fault| (self.injected[fault as usize], format!("fault: {fault}"))))
    }
}

impl fmt::Display for Races {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, name) in self.rows() {
            writeln!(f, "{count:>12}  {name}")?;
        }
        Ok(())
    }
}

impl World {
    /// Records what is reached at a point, before its decision has an effect.
    pub(crate) fn record_races(
        &mut self,
        id: InvocationId,
        point: Point,
        fault: Option<PointFault>,
    ) {
        if point.name == "inventory.apply" && self.is_busy_with("inventory-adjust-stock") {
            self.races.reach(Race::AdjustmentDuringReservation);
        }
        let Some(invocation) = self.invocations.get_mut(&id) else { return };
        let crashed = fault == Some(PointFault::Crash);
        match (point.name, point.moment) {
            ("provider.confirm_intent", Moment::After) => invocation.charge_unrecorded = true,
            ("provider.create_refund", Moment::After) => invocation.refund_unrecorded = true,
            ("payments.save", Moment::After) => {
                invocation.charge_unrecorded = false;
                invocation.refund_unrecorded = false;
            }
            ("provider.create_refund", Moment::Before) if invocation.resumes_refund => {
                self.races.reach(Race::RefundAfterDispute);
            }
            ("provider.retrieve_intent", Moment::Before) if invocation.charge_response_lost => {
                self.races.reach(Race::LostChargeRetrieved);
            }
            _ => {}
        }
        if crashed && invocation.charge_unrecorded {
            self.races.reach(Race::CrashAfterCharge);
        }
        if crashed && invocation.refund_unrecorded {
            self.races.reach(Race::CrashAfterRefund);
        }
        if point.moment == Moment::Before {
            return;
        }
        if matches!(fault, Some(PointFault::Fail | PointFault::Refuse)) {
            match (point.name, point.kind) {
                ("provider.confirm_intent", _) => {
                    invocation.charge_response_lost = true;
                    self.races.reach(Race::LostChargeResponse);
                }
                ("provider.create_refund", _) => {
                    let order = invocation.subject.clone();
                    self.lost_refunds.insert(order);
                    self.races.reach(Race::LostRefundResponse);
                }
                (_, Kind::Write) => self.races.reach(Race::LostWriteResponse),
                (_, Kind::Read) => {}
            }
        }
    }

    /// Records what an invocation observed during its last step.
    pub(crate) fn record_observations(&mut self) {
        for (id, observation) in self.board.take_observations() {
            let Some(invocation) = self.invocations.get(&id) else { continue };
            match observation {
                Observation::StaleIndex => self.races.reach(Race::StaleIndex),
                Observation::RefundFound if self.lost_refunds.contains(&invocation.subject) => {
                    self.races.reach(Race::LostRefundFound);
                }
                Observation::RefundFound => {}
                Observation::Conflict => self.races.reach(match invocation.function {
                    "orders-sweep" | "payments-sweep" => Race::SweepConflict,
                    "orders-cancel-order" => Race::CancellationConflict,
                    "inventory-adjust-stock" => Race::AdjustmentConflict,
                    _ if matches!(invocation.operation, Some(Operation::Line(_))) => {
                        Race::LineRequestConflict
                    }
                    _ => Race::ConsumerConflict,
                }),
            }
        }
    }

    /// Records which other invocations work on the same thing as a delivery that begins.
    pub(crate) fn record_delivery(&mut self, function: &str, message: &QueuedMessage) {
        let mut reached = Vec::new();
        for other in self.invocations.values().filter(|other| other.function == function) {
            let Some(handled) = &other.message else { continue };
            if handled.id == message.id {
                reached.push(Race::ConcurrentDeliveries);
            } else if handled.event.id == message.event.id {
                reached.push(Race::ConcurrentCopies);
            } else if handled.event.correlationid == message.event.correlationid {
                reached.push(Race::ConcurrentEvents);
            }
        }
        for race in reached {
            self.races.reach(race);
        }
    }

    /// Records which other invocations work on an order whose webhook begins.
    pub(crate) fn record_webhook(&mut self, order: OrderId, recorded: bool) {
        let subject = order.to_string();
        let mut charging = false;
        let mut confirming = false;
        for (id, other) in &self.invocations {
            if other.function == "payments-on-inventory" && other.subject == subject {
                charging = true;
                let points = self.board.points_of(*id);
                confirming |= points.iter().any(|point| {
                    point.name == "provider.confirm_intent" && point.moment == Moment::After
                });
            }
        }
        let orders = self.orders.orders();
        let cancelled = orders
            .iter()
            .any(|stored| stored.order_id == order && stored.state == OrderState::Cancelled);
        for (race, reached) in [
            (Race::WebhookDuringCharge, charging),
            (Race::WebhookDuringConfirmation, confirming),
            (Race::WebhookAfterCancellation, cancelled),
            (Race::WebhookOfAnotherAttempt, !recorded),
        ] {
            if reached {
                self.races.reach(race);
            }
        }
    }

    /// Records whether another invocation waits for the response to a refund that a webhook has
    /// just recorded.
    pub(crate) fn record_refund_webhook(&mut self, order: &str) {
        let waiting = self.invocations.iter().any(|(id, other)| {
            let points = self.board.points_of(*id);
            other.subject == order
                && points.iter().any(|point| {
                    point.name == "provider.create_refund" && point.moment == Moment::After
                })
        });
        if waiting {
            self.races.reach(Race::RefundWebhookBeforeResponse);
        }
    }

    /// Records what meets a sweep of a service that begins.
    pub(crate) fn record_sweep(&mut self, service: &str) {
        let busy = |invocation: &Invocation| invocation.function.starts_with(service);
        if self.invocations.values().any(busy) {
            self.races.reach(Race::SweepDuringHandler);
        }
    }

    pub(crate) fn is_busy_with(&self, function: &str) -> bool {
        self.invocations.values().any(|invocation| invocation.function == function)
    }

    /// Records what a handled message shows.
    pub(crate) fn record_outcome(&mut self, message: &QueuedMessage, outcome: Outcome) {
        let event = &message.event;
        let aggregate = (message.consumer, event.source.clone(), event.subject.clone());
        let latest = self.handled.entry(aggregate).or_default();
        if event.sequence < *latest {
            self.races.reach(Race::OvertakenEvent);
        }
        *latest = event.sequence.max(*latest);
        if outcome != Outcome::Handled {
            return;
        }
        let order = OrderId::parse(&event.correlationid).ok();
        let cancelled = || {
            let mut orders = self.orders.orders().into_iter();
            let order = orders.find(|stored| Some(stored.order_id) == order);
            order.is_some_and(|order| order.state == OrderState::Cancelled)
        };
        let payment = || {
            let mut payments = self.payments.payments().into_iter();
            payments.find(|payment| Some(payment.order_id) == order)
        };
        let race = match (message.consumer, event.kind.as_str()) {
            (Consumer::InventoryOnOrders, "OrderCancelled") => {
                let mut stored = self.inventory.reservations().into_iter();
                let tombstone = stored.any(|reservation| {
                    Some(reservation.order_id) == order && reservation.lines.is_empty()
                });
                tombstone.then_some(Race::CancellationBeforeReservation)
            }
            (Consumer::PaymentsOnOrders, "OrderCancelled") => payment()
                .is_some_and(|payment| payment.charge.is_none())
                .then_some(Race::CancellationBeforePayment),
            (Consumer::PaymentsOnInventory, "StockReserved") => payment()
                .is_some_and(|payment| payment.state == PaymentState::Pending)
                .then_some(Race::ReservationAfterDeadline),
            (Consumer::OrdersOnPayments, "PaymentCaptured") => {
                cancelled().then_some(Race::CaptureAfterCancellation)
            }
            (Consumer::OrdersOnInventory, "StockReserved") => {
                cancelled().then_some(Race::ReservationAfterCancellation)
            }
            (Consumer::InventoryOnOrders, "OrderLineRejected" | "OrderLineCancelled") => {
                let mut stored = self.inventory.reservations().into_iter();
                let stored = stored.find(|reservation| Some(reservation.order_id) == order);
                let lines = stored.map(|stored| stored.lines).unwrap_or_default();
                let ended = |line: &ReservedLine| {
                    event.data["line_no"] == line.line_no && line.state == LineState::Released
                };
                lines.iter().any(ended).then_some(Race::LineEndBeforeSale)
            }
            (Consumer::InventoryOnOrders, "OrderLineAccepted" | "OrderLineCancelRefused") => {
                Some(Race::SplitInAnotherEvent)
            }
            (Consumer::PaymentsOnOrders, "OrderLineRejected" | "OrderLineCancelled") => {
                let rest = |payment: Payment| {
                    payment.refunds.iter().any(|refund| refund.line_no.is_none())
                };
                payment().is_some_and(rest).then_some(Race::CancellationBeforeLineEnd)
            }
            (Consumer::PaymentsOnOrders, "OrderLineReturned") => payment()
                .is_some_and(|payment| payment.has_open_dispute())
                .then_some(Race::DisputeBeforeReturn),
            (Consumer::OrdersOnInventory, "StockRejected") => Some(Race::OutOfStock),
            (Consumer::OrdersOnCatalog, _) => {
                self.is_busy_with("orders-place-order").then_some(Race::ChangeDuringPlacement)
            }
            (Consumer::OrdersOnAccounts, _) => {
                let open = |order: &Order| {
                    order.state == OrderState::Pending && self.unregistered.contains(&order.user_id)
                };
                self.orders.orders().iter().any(open).then_some(Race::UnregisteredWithOpenOrder)
            }
            _ => None,
        };
        if let Some(race) = race {
            self.races.reach(race);
        }
    }

    /// Records what the lines of a run show.
    pub(crate) fn record_lines(&mut self) {
        for order in self.orders.orders() {
            let terms = &order.line_terms;
            let unaccepted = order.confirmed_at().map(|at| at.plus(terms.accept_deadline));
            if has_event_from(&order, "OrderLineRejected", unaccepted) {
                self.races.reach(Race::UnacceptedLine);
            }
            for line in &order.lines {
                let unconfirmed = line.delivered_at.map(|at| at.plus(DEADLINES.receipt));
                if has_event_from(&order, "ReceiptConfirmed", unconfirmed) {
                    self.races.reach(Race::UnconfirmedReceipt);
                }
                let Some(request) = &line.return_request else { continue };
                let unanswered = request.requested_at.plus(terms.return_deadline);
                if has_event_from(&order, "OrderLineReturned", Some(unanswered)) {
                    self.races.reach(Race::UnansweredReturn);
                }
                if request.outcome.is_some_and(|outcome| outcome.refund < line.share) {
                    self.races.reach(Race::ReturnedForLess);
                }
            }
        }
    }

    /// Records how the refunds of a run ended.
    pub(crate) fn record_refunds(&mut self) {
        for refund in self.payments.payments().iter().flat_map(|payment| &payment.refunds) {
            if refund.state == RefundState::Failed {
                let reversed = refund.issued_before > 0;
                self.races.reach(if reversed { Race::RefundReversed } else { Race::RefundFailed });
            }
            if refund.tries > 1 {
                self.races.reach(Race::RefundRepeated);
            }
            if refund.state == RefundState::Issued && refund.failed_before > 0 {
                self.races.reach(Race::FailedRefundIssued);
            }
            if refund.state == RefundState::Issued && refund.kind() == RefundKind::Goodwill {
                self.races.reach(Race::GoodwillIssued);
            }
            if !refund.settled.is_zero() {
                self.races.reach(Race::RefundSettledByDispute);
            }
        }
    }
}

/// Whether an order's timeline has such an event at this time or later.
fn has_event_from(order: &Order, kind: &str, from: Option<Timestamp>) -> bool {
    let mut entries = order.timeline.iter();
    from.is_some_and(|from| entries.any(|entry| entry.kind == kind && entry.time >= from))
}
