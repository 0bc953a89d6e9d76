//! Invariants of the lines of confirmed orders.

use super::*;
use rialto_contracts::orders::{
    LineSnapshot, OrderLineCancelRequested, OrderLineCancelled, OrderLineRejected, OrderLineSplit,
    OrderLineState,
};
use rialto_delivery::domain::line_change::{LineChange, LineChangeKind};
use rialto_inventory::domain::reserved_line::LineEnd;
use rialto_kernel::Quantity;
use rialto_orders::domain::{
    keyed_request::RequestRecord,
    line::{ReturnOutcome, ReturnRequest},
    line_transitions::PiecesRequest,
};

fn no_cause() -> EventContext {
    EventContext::default()
}

/// A request for one piece of line 1.
fn one_piece(action: &str) -> PiecesRequest {
    let record = RequestRecord::new(action, 1, "key", &1);
    PiecesRequest { quantity: Quantity::new(1).unwrap(), record }
}

impl Snapshot {
    fn change_order(&mut self, update: Moved) -> Vec<Event> {
        self.orders = vec![update.order];
        update.events
    }

    /// Inventory handles an event about a line.
    fn apply_line(&mut self, line: &LineSnapshot, end: Option<LineEnd>, cause: &EventContext) {
        let update = self.reservations[0].apply_line_event(line, end, NOW, cause).unwrap();
        for event in self.apply_reservation(update.unwrap()) {
            apply(&mut self.orders[0], &event, Transition::RecordOnly);
        }
    }

    /// Delivery handles an event about a line.
    fn deliver(&mut self, line: LineSnapshot, kind: LineChangeKind, cause: EventContext) {
        let mut deliveries = LineDeliveries::new(self.deliveries.clone());
        let change = LineChange::new(cause.causationid.unwrap(), line, kind);
        deliveries.apply(&change, &WriteContext { now: NOW, cause }).unwrap();
        self.apply_deliveries(deliveries.into_update([]));
    }

    /// Payments handles a line's end, and the provider issues the refund.
    fn refund_line(&mut self, line: &LineSnapshot, cause: &EventContext) {
        let payment = &self.payments[0];
        let update = payment.compensate_line(line.line_no, line.share, cause).unwrap().unwrap();
        self.apply_payment(update);
        let payment = &self.payments[0];
        let (refund, cause) = (payment.refunds.last().unwrap().refund_id, payment.cause(None));
        let issued = payment.settle_refund(refund, &RefundOutcome::Issued, NOW, &cause).unwrap();
        for event in self.apply_payment(issued) {
            apply(&mut self.orders[0], &event, Transition::RecordOnly);
        }
    }
}

/// A confirmed order of two pieces after its seller split it in two lines.
fn split() -> Snapshot {
    let mut snapshot = paid();
    let order = &snapshot.orders[0];
    let update = order.split_line(1, one_piece("split"), NOW, &no_cause()).unwrap();
    let events = snapshot.change_order(update);
    let event: OrderLineSplit = payload(&events[0]);
    snapshot.apply_line(&event.line(), None, &caused_by(&events[0]));
    snapshot.deliver(event.line(), LineChangeKind::Split, caused_by(&events[0]));
    snapshot
}

/// A confirmed order of two pieces after the cancellation of one was requested, and the event.
pub(crate) fn cancel_requested() -> (Snapshot, Event) {
    let mut snapshot = paid();
    let request = one_piece("cancel");
    let update = snapshot.orders[0].request_cancel(1, Some(request), NOW, &no_cause()).unwrap();
    let requested = snapshot.change_order(update).remove(0);
    (snapshot, requested)
}

/// A confirmed order of two pieces after one was cancelled.
fn part_cancelled() -> Snapshot {
    let (mut snapshot, requested) = cancel_requested();
    let event: OrderLineCancelRequested = payload(&requested);
    snapshot.deliver(event.line(), LineChangeKind::CancelRequested, caused_by(&requested));
    let update = snapshot.orders[0].confirm_cancel(2, NOW, &no_cause()).unwrap();
    let events = snapshot.change_order(update);
    let event: OrderLineCancelled = payload(&events[0]);
    let cause = caused_by(&events[0]);
    snapshot.apply_line(&event.line(), Some(LineEnd::Cancelled), &cause);
    snapshot.refund_line(&event.line(), &cause);
    snapshot.deliver(event.line(), LineChangeKind::Cancelled, cause);
    snapshot
}

/// A confirmed order after its only line was rejected, and with it the order cancelled, before any
/// consumer processed that; and the event about the line.
pub(crate) fn rejected_unprocessed() -> (Snapshot, Event) {
    let mut snapshot = paid();
    let update = snapshot.orders[0].reject_line(1, NOW, &no_cause()).unwrap();
    let events = snapshot.change_order(update);
    (snapshot, events[0].clone())
}

fn rejected() -> Snapshot {
    let (mut snapshot, rejected) = rejected_unprocessed();
    let event: OrderLineRejected = payload(&rejected);
    let cause = caused_by(&rejected);
    snapshot.apply_line(&event.line(), Some(LineEnd::Cancelled), &cause);
    snapshot.refund_line(&event.line(), &cause);
    snapshot.deliver(event.line(), LineChangeKind::Rejected, cause);
    snapshot
}

#[test]
fn changed_lines_satisfy_every_invariant() {
    assert_eq!(broken(&split()), Vec::<String>::new());
    assert_eq!(broken(&rejected()), Vec::<String>::new());
    assert_eq!(broken(&part_cancelled()), Vec::<String>::new());
}

#[test]
fn a_response_needs_a_cancel_request_in_the_timeline() {
    let (mut snapshot, requested) = cancel_requested();
    let event: OrderLineCancelRequested = payload(&requested);
    snapshot.apply_line(&event.line(), None, &caused_by(&requested));
    let deadline = snapshot.orders[0].deadline().unwrap();
    let update = snapshot.orders[0].expire(deadline, &no_cause()).unwrap();
    let repeated = snapshot.change_order(update).remove(0);
    assert!(!snapshot.orders[0].has_recorded(repeated.id));
    snapshot.deliver(event.line(), LineChangeKind::CancelRequested, caused_by(&repeated));
    assert_eq!(broken(&snapshot), Vec::<String>::new());

    snapshot.orders[0].timeline.retain(|entry| entry.kind != OrderLineCancelRequested::TYPE);
    let unasked = broken(&snapshot).join("\n");
    assert!(unasked.contains("DeliveryHeld was caused by"), "{unasked}");
}

#[test]
fn a_split_that_inventory_lacks_is_reported() {
    let lost = corrupted(split(), |snapshot| {
        let line = &mut snapshot.reservations[0].lines;
        line.pop();
        line[0].quantity = Quantity::new(2).unwrap();
    });
    assert!(lost.contains("the pieces of its lines are [(1, 1), (2, 1)]"), "{lost}");
}

#[test]
fn parts_that_miss_the_placed_line_are_reported() {
    let share = corrupted(split(), |snapshot| {
        snapshot.orders[0].lines[1].share = Amount::ZERO;
    });
    assert!(share.contains("line 1 was placed with"), "{share}");
}

#[test]
fn an_ended_line_with_stock_or_money_is_reported() {
    let sold = corrupted(rejected(), |snapshot| {
        snapshot.reservations[0].lines[0].state = LineState::Sold;
    });
    assert!(sold.contains("line 1 is Rejected, its stock Some(Sold)"), "{sold}");
    let unpaid = corrupted(rejected(), |snapshot| {
        snapshot.payments[0].compensated_lines.clear();
        snapshot.payments[0].refunds.clear();
    });
    assert!(unpaid.contains("payments has compensated Some({})"), "{unpaid}");
    assert!(unpaid.contains("of the payment isn't refunded"), "{unpaid}");
}

#[test]
fn a_missing_release_is_reported() {
    let lost = corrupted(rejected(), |snapshot| {
        snapshot.orders[0].timeline.retain(|entry| entry.kind != "StockReleased");
    });
    assert!(lost.contains("\"StockReleased\": 1"), "{lost}");
}

#[test]
fn a_return_for_more_than_the_share_is_reported() {
    let above = corrupted(paid(), |snapshot| {
        let line = &mut snapshot.orders[0].lines[0];
        let refund = Amount::new(line.share.minor_units() + 1).unwrap();
        line.state = OrderLineState::Returned;
        line.return_request = Some(ReturnRequest {
            requested_at: NOW,
            count: 1,
            reason: None,
            decline_reason: None,
            outcome: Some(ReturnOutcome { restock: true, refund }),
        });
    });
    assert!(above.contains("line 1 was returned for 2301, its share is 2300"), "{above}");
}
