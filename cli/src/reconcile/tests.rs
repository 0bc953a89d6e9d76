pub(crate) mod lines;

use super::*;
use rialto_contracts::{Event, EventContext, Payload, orders::CancelReason};
use rialto_delivery::domain::{
    delivery::{DeliveryRecord, DeliveryUpdate},
    draft::WriteContext,
    line_deliveries::{LineDeliveries, prepare_order},
};
use rialto_dynamo::{Key, write_item};
use rialto_inventory::domain::{reservation::ReservationUpdate as Held, reserved_line::LineState};
use rialto_kernel::{Amount, SellerId, Text, Timestamp};
use rialto_orders::{
    domain::{
        line_deliveries::DeliveryStep,
        order::{OrderState, OrderUpdate as Moved, Transition},
        timeline::TimelineEntry,
    },
    fixtures::placed_order,
};
use rialto_payments::domain::{
    dispute::{DisputeId, DisputeReport, DisputeStanding},
    intent::{ChargeOutcome, DeclineCode, IntentId},
    payment::{Granted, PaymentState, PaymentUpdate as Paid},
    refund::{Refund, RefundOutcome, RefundState},
};
use std::{collections::BTreeSet, time::Duration};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const STOCK: u32 = 5;

fn product() -> ProductId {
    ProductId::derive(&[b"p"])
}

fn caused_by(event: &Event) -> EventContext {
    EventContext {
        correlationid: Some(event.correlationid.clone()),
        causationid: Some(event.id),
        traceparent: None,
    }
}

fn payload<P: Payload>(event: &Event) -> P {
    event.payload().unwrap()
}

/// Applies an event to the order. Returns the events that the order emits.
fn apply(order: &mut Order, event: &Event, effect: Transition) -> Vec<Event> {
    let Moved { order: moved, events } =
        order.apply(event, effect, NOW, &caused_by(event)).unwrap();
    *order = moved;
    events
}

/// A snapshot with the product's initial stock.
fn initial() -> Snapshot {
    let (stock, movement) = Stock::initial(product(), SellerId::derive(&[b"s"]), STOCK, NOW);
    Snapshot { stocks: vec![stock], movements: vec![movement], ..Snapshot::default() }
}

impl Snapshot {
    fn apply_reservation(&mut self, change: Held) -> Vec<Event> {
        for movement in change.movements {
            let stock = &mut self.stocks[0];
            stock.available = stock.available.checked_add_signed(movement.available).unwrap();
            stock.reserved = stock.reserved.checked_add_signed(movement.reserved).unwrap();
            stock.sold = stock.sold.checked_add_signed(movement.sold).unwrap();
            self.movements.push(movement);
        }
        self.reservations = vec![change.reservation];
        change.events
    }

    fn apply_payment(&mut self, change: Paid) -> Vec<Event> {
        self.payments = vec![change.payment];
        self.ledger.extend(change.entry);
        change.events
    }

    /// Stores deliveries, and orders handles their events.
    fn apply_deliveries(&mut self, change: DeliveryUpdate) {
        for write in change.deliveries {
            let DeliveryRecord::Prepared(delivery) = write.record else { continue };
            let line_no = delivery.line_no;
            self.deliveries.retain(|stored| stored.delivery_id != delivery.delivery_id);
            self.deliveries.push(delivery);
            for event in write.events {
                let transition = match event.kind.as_str() {
                    "DeliveryHeld" => Transition::Deliver { line_no, step: DeliveryStep::Held },
                    _ => Transition::RecordOnly,
                };
                apply(&mut self.orders[0], &event, transition);
            }
        }
    }
}

/// The progress of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Placed,
    Reserved,
    Opened,
    Started,
    Captured,
    Declined,
}

/// The snapshot at a stage, with the events of the last step that no consumer has processed.
pub(crate) fn at(stage: Stage) -> (Snapshot, Vec<Event>) {
    let mut snapshot = initial();
    let Moved { mut order, events } = placed_order();
    snapshot.orders = vec![order.clone()];
    if stage == Stage::Placed {
        return (snapshot, events);
    }
    let reserved = snapshot.apply_reservation(Reservation::reserve(
        &payload(&events[0]),
        NOW,
        &caused_by(&events[0]),
    ));
    apply(&mut order, &reserved[0], Transition::RecordOnly);
    snapshot.orders = vec![order];
    if stage == Stage::Reserved {
        return (snapshot, reserved);
    }
    snapshot.apply_payment(Payment::pending(
        &payload(&reserved[0]),
        Duration::ZERO,
        NOW,
        &caused_by(&reserved[0]),
    ));
    if stage == Stage::Opened {
        return (snapshot, reserved);
    }
    snapshot.apply_payment(
        snapshot.payments[0].record_intent(&IntentId::parse("pi_1").unwrap(), NOW).unwrap(),
    );
    let end = match stage {
        Stage::Captured => ChargeOutcome::Captured,
        Stage::Declined => ChargeOutcome::Failed { reason: DeclineCode::new("card_declined") },
        _ => return (snapshot, reserved),
    };
    let ended = snapshot
        .apply_payment(snapshot.payments[0].settle(&end, NOW, &caused_by(&reserved[0])).unwrap());
    (snapshot, ended)
}

/// The snapshot of a confirmed order before inventory processed the confirmation, and that event.
pub(crate) fn confirmed_but_not_sold() -> (Snapshot, Event) {
    let (mut snapshot, captured) = at(Stage::Captured);
    let confirmed = apply(&mut snapshot.orders[0], &captured[0], Transition::Confirm);
    (snapshot, confirmed[0].clone())
}

/// The snapshot after an order of two units whose charge had this outcome.
fn after(stage: Stage) -> Snapshot {
    let (mut snapshot, ended) = at(stage);
    if stage == Stage::Captured {
        let confirmed = apply(&mut snapshot.orders[0], &ended[0], Transition::Confirm);
        snapshot.apply_reservation(
            snapshot.reservations[0].fulfil(NOW, &caused_by(&confirmed[0])).unwrap(),
        );
        let write = WriteContext { now: NOW, cause: caused_by(&confirmed[0]) };
        let prepared = prepare_order(&payload(&confirmed[0]), &BTreeMap::new(), &write);
        snapshot.apply_deliveries(prepared.unwrap().unwrap());
    } else {
        let cause = Transition::Cancel(CancelReason::PaymentFailed);
        let cancelled = apply(&mut snapshot.orders[0], &ended[0], cause);
        let released = snapshot.apply_reservation(
            snapshot.reservations[0].release(NOW, &caused_by(&cancelled[0])).unwrap(),
        );
        apply(&mut snapshot.orders[0], &released[0], Transition::RecordOnly);
    }
    snapshot
}

pub(crate) fn paid() -> Snapshot {
    after(Stage::Captured)
}

pub(crate) fn declined() -> Snapshot {
    after(Stage::Declined)
}

/// The violated invariants after a corruption.
fn corrupted(mut snapshot: Snapshot, spoil: impl FnOnce(&mut Snapshot)) -> String {
    spoil(&mut snapshot);
    broken(&snapshot).join("\n")
}

#[test]
fn settled_orders_satisfy_every_invariant() {
    assert_eq!(broken(&paid()), Vec::<String>::new());
    assert_eq!(broken(&declined()), Vec::<String>::new());
    assert_eq!(broken(&cancelled_unprocessed()), Vec::<String>::new());
    assert_eq!(broken(&refunded()), Vec::<String>::new());
}

/// The snapshot after a buyer cancelled before any consumer processed the order.
pub(crate) fn cancelled_unprocessed() -> Snapshot {
    let mut snapshot = initial();
    let Moved { order, .. } = placed_order();
    let Moved { order, events } =
        order.cancel(CancelReason::Buyer, NOW, &EventContext::default()).unwrap();
    let cancelled = payload(&events[0]);
    snapshot.apply_reservation(Reservation::tombstone(order.order_id, &caused_by(&events[0])));
    snapshot.apply_payment(Payment::tombstone(&cancelled, &caused_by(&events[0])));
    snapshot.orders = vec![order];
    snapshot
}

/// The snapshot after a charge succeeded that had failed before: refunded at once.
fn captured_late() -> Snapshot {
    let mut snapshot = declined();
    let late = snapshot.payments[0].cause(None);
    snapshot
        .apply_payment(snapshot.payments[0].settle(&ChargeOutcome::Captured, NOW, &late).unwrap());
    with_issued_refund(snapshot)
}

/// The snapshot after a buyer cancelled a paid order before orders processed the payment.
pub(crate) fn refunded() -> Snapshot {
    let (mut snapshot, captured) = at(Stage::Captured);
    let cancelled =
        snapshot.orders[0].cancel(CancelReason::Buyer, NOW, &EventContext::default()).unwrap();
    snapshot.orders = vec![cancelled.order];
    apply(&mut snapshot.orders[0], &captured[0], Transition::Confirm);
    let cause = caused_by(&cancelled.events[0]);
    let released =
        snapshot.apply_reservation(snapshot.reservations[0].release(NOW, &cause).unwrap());
    apply(&mut snapshot.orders[0], &released[0], Transition::RecordOnly);
    snapshot.apply_payment(snapshot.payments[0].cancel(&cause).unwrap());
    with_issued_refund(snapshot)
}

/// The snapshot after its pending refund was issued.
fn with_issued_refund(mut snapshot: Snapshot) -> Snapshot {
    let payment = &snapshot.payments[0];
    let refund = payment.refunds[0].refund_id;
    let issued =
        payment.settle_refund(refund, &RefundOutcome::Issued, NOW, &payment.cause(None)).unwrap();
    let issued = snapshot.apply_payment(issued);
    apply(&mut snapshot.orders[0], &issued[0], Transition::RecordOnly);
    snapshot
}

#[test]
fn late_successes_satisfy_every_invariant() {
    assert_eq!(broken(&captured_late()), Vec::<String>::new());
    let without_event = |snapshot: &mut Snapshot| {
        snapshot.orders[0].timeline.retain(|entry| entry.kind != "PaymentFailed")
    };
    assert!(corrupted(captured_late(), without_event).contains("expected"));
}

#[test]
fn reversed_and_reissued_refunds_satisfy_every_invariant() {
    let mut snapshot = captured_late();
    let refund = snapshot.payments[0].refunds[0].refund_id;
    let failed = RefundOutcome::Failed { reason: DeclineCode::new("expired_or_canceled_card") };
    for outcome in [failed, RefundOutcome::Issued] {
        let payment = &snapshot.payments[0];
        let settled = payment.settle_refund(refund, &outcome, NOW, &payment.cause(None)).unwrap();
        let events = snapshot.apply_payment(settled);
        apply(&mut snapshot.orders[0], &events[0], Transition::RecordOnly);
        assert_eq!(broken(&snapshot), Vec::<String>::new());
    }
}

#[test]
fn only_buyers_and_sweeps_cancel_without_a_cause() {
    let other = |snapshot: &mut Snapshot| {
        for entry in &mut snapshot.orders[0].timeline {
            entry.data["reason"] = serde_json::json!("PAYMENT_FAILED");
        }
    };
    assert!(
        corrupted(cancelled_unprocessed(), other).contains("OrderCancelled was caused by None")
    );
}

#[test]
fn unexplained_stock_is_reported() {
    assert!(
        corrupted(paid(), |snapshot| snapshot.stocks[0].available += 1)
            .contains("its movements sum to")
    );
    assert!(
        corrupted(paid(), |snapshot| drop(snapshot.movements.pop()))
            .contains("its movements sum to")
    );
    let twice =
        corrupted(paid(), |snapshot| snapshot.movements.push(snapshot.movements[0].clone()));
    assert!(twice.contains("began 2 times"), "{twice}");
}

#[test]
fn stock_reserved_for_no_order_is_reported() {
    let freed =
        |snapshot: &mut Snapshot| snapshot.reservations[0].lines[0].state = LineState::Released;
    assert!(corrupted(paid(), freed).contains("2 are Sold, reservations have 0"));
    let kept =
        |snapshot: &mut Snapshot| snapshot.reservations[0].lines[0].state = LineState::Reserved;
    assert!(corrupted(declined(), kept).contains("0 are Reserved, reservations have 2"));
}

#[test]
fn unsold_or_unpaid_confirmed_orders_are_reported() {
    assert!(
        corrupted(paid(), |snapshot| snapshot.reservations.clear())
            .contains("line 1 is Ordered, its stock None")
    );
    let unpaid = corrupted(paid(), |snapshot| snapshot.payments.clear());
    assert!(unpaid.contains("the lines cost 2300, the shop has 0"), "{unpaid}");
    assert!(unpaid.contains("a ledger entry without its payment"), "{unpaid}");
    let failed = |snapshot: &mut Snapshot| snapshot.payments[0].state = PaymentState::Failed;
    assert!(corrupted(paid(), failed).contains("CONFIRMED, its payment Some(Failed)"));
}

#[test]
fn cancelled_orders_with_stock_or_money_are_reported() {
    let held = |snapshot: &mut Snapshot| snapshot.reservations[0].lines[0].state = LineState::Sold;
    assert!(corrupted(declined(), held).contains("CANCELLED, line 1 is Sold"));
    let charged = |snapshot: &mut Snapshot| {
        snapshot.payments[0].captured = Amount::new(2_300).unwrap();
        snapshot.payments[0].state = PaymentState::Captured;
    };
    let charged = corrupted(declined(), charged);
    assert!(charged.contains("CANCELLED, 2300 of the payment"), "{charged}");
    assert!(charged.contains("the ledger has 0 as Captured, the payment 2300"), "{charged}");
}

#[test]
fn double_captures_and_unbalanced_ledgers_are_reported() {
    let twice = corrupted(paid(), |snapshot| snapshot.ledger.push(snapshot.ledger[0].clone()));
    assert!(twice.contains("captured 2 times"), "{twice}");
    let lopsided = corrupted(paid(), |snapshot| snapshot.ledger[0].postings[0].amount += 1);
    assert!(lopsided.contains("sums to 1"), "{lopsided}");
}

#[test]
fn work_in_progress_is_reported() {
    let pending = |snapshot: &mut Snapshot| snapshot.orders[0].state = OrderState::Pending;
    assert!(corrupted(paid(), pending).contains(": PENDING"));
    let processing =
        |snapshot: &mut Snapshot| snapshot.payments[0].state = PaymentState::Processing;
    assert!(corrupted(declined(), processing).contains("its payment is Processing"));
}

/// The snapshot after a buyer cancelled while the provider processed the charge.
fn cancelled_while_charging() -> Snapshot {
    let mut snapshot = at(Stage::Started).0;
    let Moved { order, events } =
        snapshot.orders[0].cancel(CancelReason::Buyer, NOW, &EventContext::default()).unwrap();
    snapshot.orders = vec![order];
    let cause = caused_by(&events[0]);
    let released =
        snapshot.apply_reservation(snapshot.reservations[0].release(NOW, &cause).unwrap());
    apply(&mut snapshot.orders[0], &released[0], Transition::RecordOnly);
    snapshot.apply_payment(snapshot.payments[0].cancel(&cause).unwrap());
    snapshot
}

#[test]
fn charges_of_cancelled_orders_stay_in_progress() {
    let snapshot = cancelled_while_charging();
    assert_eq!(in_progress(&snapshot), ["the provider hasn't settled the charge"]);
    assert_eq!(findings(&snapshot, NOW).len(), 1, "{:?}", broken(&snapshot));
}

#[test]
fn overdue_work_is_inconsistent() {
    for snapshot in [
        at(Stage::Placed).0,
        at(Stage::Captured).0,
        cancelled_while_charging(),
        unprocessed_cancellation(),
    ] {
        let expires_at = snapshot.orders[0].expires_at;
        let standings = |now| {
            let found = findings(&snapshot, now);
            found.into_iter().map(|finding| finding.standing).collect::<BTreeSet<_>>()
        };
        let limit = expires_at.plus(Duration::from_secs(600));
        assert_eq!(standings(limit), [Severity::InProgress].into());
        let over = limit.plus(Duration::from_millis(1));
        assert_eq!(standings(over), [Severity::Inconsistent].into());
        assert!(
            findings(&snapshot, over)
                .iter()
                .all(|finding| finding.what.ends_with(", for too long"))
        );
    }
}

#[test]
fn late_events_extend_the_deadline() {
    let mut snapshot = refunded();
    let payment = &mut snapshot.payments[0];
    payment.refunds[0].state = RefundState::Pending;
    snapshot.ledger.pop();
    snapshot.orders[0].timeline.pop();
    let late = snapshot.orders[0].expires_at.plus(Duration::from_secs(86_400));
    let refunding = |snapshot: &Snapshot| {
        let found = findings(snapshot, late.plus(Duration::from_secs(60)));
        found
            .into_iter()
            .find(|finding| finding.what.starts_with("1 refunds are"))
            .unwrap()
            .standing
    };
    assert_eq!(refunding(&snapshot), Severity::Inconsistent);
    snapshot.ledger[0].at = late;
    assert_eq!(refunding(&snapshot), Severity::InProgress);
    snapshot.ledger[0].at = NOW;
    snapshot.orders[0].timeline[1].time = late;
    assert_eq!(refunding(&snapshot), Severity::InProgress);
}

#[test]
fn items_without_an_order_are_reported() {
    let alone = corrupted(paid(), |snapshot| snapshot.orders.clear());
    assert!(alone.contains("a reservation (Reserved) without its order"), "{alone}");
    assert!(alone.contains("a payment (Captured) without its order"), "{alone}");
}

#[test]
fn timeline_gaps_and_repetitions_are_reported() {
    let gap = corrupted(paid(), |snapshot| drop(snapshot.orders[0].timeline.remove(1)));
    assert!(gap.contains("which isn't in the timeline"), "{gap}");
    assert!(
        corrupted(declined(), |snapshot| drop(snapshot.orders[0].timeline.pop()))
            .contains("expected")
    );
    let twice = corrupted(paid(), |snapshot| {
        let entry = snapshot.orders[0].timeline[0].clone();
        snapshot.orders[0].timeline.push(entry);
    });
    assert!(twice.contains("an event is in the timeline twice"), "{twice}");
}

#[test]
fn shares_that_miss_the_total_are_reported() {
    let share =
        |snapshot: &mut Snapshot| snapshot.orders[0].lines[0].share = Amount::new(1).unwrap();
    assert!(corrupted(paid(), share).contains("the shares sum to 1, the total is 2300"));
}

/// The discrepancies in progress.
fn in_progress(snapshot: &Snapshot) -> Vec<String> {
    let waiting = findings(snapshot, NOW)
        .into_iter()
        .filter(|finding| finding.standing == Severity::InProgress);
    waiting.map(|finding| finding.what).collect()
}

#[test]
fn orders_in_progress_violate_nothing() {
    assert_eq!(in_progress(&at(Stage::Placed).0), ["PENDING"]);
    let mut snapshot = at(Stage::Opened).0;
    assert!(
        in_progress(&snapshot).contains(&"its payment is Pending".to_owned()),
        "{:?}",
        broken(&snapshot)
    );
    for stage in [
        Stage::Placed,
        Stage::Reserved,
        Stage::Opened,
        Stage::Started,
        Stage::Captured,
        Stage::Declined,
    ] {
        let snapshot = at(stage).0;
        assert_eq!(
            in_progress(&snapshot).len(),
            findings(&snapshot, NOW).len(),
            "{stage:?}: {:?}",
            broken(&snapshot)
        );
    }
    // Violations are reported all the same.
    snapshot.stocks[0].reserved = 0;
    snapshot.orders[0].lines[0].share = Amount::new(1).unwrap();
    let wrong = findings(&snapshot, NOW)
        .into_iter()
        .filter(|finding| finding.standing == Severity::Inconsistent);
    let about: Vec<_> = wrong.map(|finding| finding.about.to_string()).collect();
    assert_eq!(about.last(), Some(&snapshot.orders[0].order_id.to_string()));
    assert!(about.contains(&product().to_string()), "{about:?}");
}

#[test]
fn cancellations_are_in_progress_until_processed() {
    let mut snapshot = cancelled_unprocessed();
    snapshot.payments.clear();
    assert_eq!(in_progress(&snapshot), ["CANCELLED, but payments hasn't processed it"]);
    let snapshot = unprocessed_cancellation();
    assert_eq!(in_progress(&snapshot)[0], "CANCELLED, but inventory hasn't processed it");
    assert_eq!(findings(&snapshot, NOW).len(), 2, "{:?}", broken(&snapshot));
}

/// The snapshot after a cancellation that no consumer has processed.
fn unprocessed_cancellation() -> Snapshot {
    Snapshot { reservations: Vec::new(), payments: Vec::new(), ..cancelled_unprocessed() }
}

#[test]
fn pending_refunds_are_in_progress() {
    let mut snapshot = paid();
    snapshot.orders[0].state = OrderState::Cancelled;
    let wrong = |snapshot: &Snapshot| {
        let text = "CANCELLED, 2300 of the payment isn't refunded";
        findings(snapshot, NOW).into_iter().find(|finding| finding.what == text).unwrap().standing
    };
    assert_eq!(wrong(&snapshot), Severity::Inconsistent);
    snapshot.payments[0]
        .refunds
        .push(Refund::remaining(snapshot.orders[0].order_id, Amount::new(2_300).unwrap()));
    assert_eq!(wrong(&snapshot), Severity::InProgress);
    assert!(in_progress(&snapshot).contains(&"1 refunds are pending".to_owned()));
}

/// The snapshot after a supervisor granted this refund, which is pending.
fn goodwill(minor_units: i64) -> Snapshot {
    let mut snapshot = paid();
    let (amount, reason) = (Amount::new(minor_units).unwrap(), Text::parse("late").unwrap());
    let Ok(Granted::Now(update)) = snapshot.payments[0].grant_goodwill("key", amount, &reason)
    else {
        panic!("not granted");
    };
    snapshot.apply_payment(*update);
    snapshot
}

#[test]
fn goodwill_refunds_satisfy_every_invariant() {
    for minor_units in [1, 2_300] {
        let issued = with_issued_refund(goodwill(minor_units));
        assert_eq!(broken(&issued), Vec::<String>::new());
        let lost = corrupted(issued, |snapshot| drop(snapshot.ledger.pop()));
        assert!(lost.contains("the ledger has 0 as RefundIssued"), "{lost}");
    }
}

/// The snapshot after the provider reported this of a dispute of everything.
fn with_dispute(mut snapshot: Snapshot, state: DisputeStanding) -> Snapshot {
    let payment = &snapshot.payments[0];
    let report = DisputeReport {
        dispute_id: DisputeId::parse("du_1").unwrap(),
        intent_id: payment.intent_id.clone().unwrap(),
        amount: payment.captured,
        state,
        withdrawn: if state == DisputeStanding::Won { Amount::ZERO } else { payment.captured },
    };
    while let Some(update) =
        snapshot.payments[0].record_dispute(&report, NOW, &snapshot.payments[0].cause(None))
    {
        for event in snapshot.apply_payment(update) {
            apply(&mut snapshot.orders[0], &event, Transition::RecordOnly);
        }
    }
    snapshot
}

#[test]
fn refunds_wait_for_open_disputes_only() {
    let disputed = with_dispute(goodwill(100), DisputeStanding::Open);
    let payment = &disputed.payments[0];
    let waits = payment.wait_for_dispute(&payment.refunds[0], false, NOW).unwrap();
    let mut waiting = disputed;
    waiting.apply_payment(waits);
    assert_eq!(broken(&waiting), Vec::<String>::new());
    let won = with_dispute(waiting, DisputeStanding::Won);
    assert_eq!(in_progress(&won), ["1 refunds wait, and no dispute is open"]);
    assert_eq!(findings(&won, NOW).len(), 1, "{:?}", broken(&won));
}

#[test]
fn failed_refunds_wait_for_disputes_too() {
    let mut failed = goodwill(100);
    let payment = &failed.payments[0];
    let outcome = RefundOutcome::Failed { reason: DeclineCode::new("expired_or_canceled_card") };
    let refund_id = payment.refunds[0].refund_id;
    let settled = payment.settle_refund(refund_id, &outcome, NOW, &payment.cause(None)).unwrap();
    let events = failed.apply_payment(settled);
    apply(&mut failed.orders[0], &events[0], Transition::RecordOnly);
    let retried = failed.payments[0].retry_failed_refund(refund_id, NOW).unwrap();
    failed.apply_payment(retried);
    assert_eq!(in_progress(&failed), ["1 refunds are pending"]);
    let disputed = with_dispute(failed, DisputeStanding::Open);
    assert_eq!(broken(&disputed), Vec::<String>::new());
}

#[test]
fn invalid_and_unknown_items_are_reported() {
    let snapshot = paid();
    let order = &snapshot.orders[0];
    let pk = format!("ORDER#{}", order.order_id);
    let mut read = Snapshot::default();
    read.insert(write_item(&Key::new(&pk, "ORDER"), order, &[]).unwrap());
    let buyer = serde_json::json!({"user_id": order.user_id});
    read.insert(
        write_item(&Key::new(format!("BUYER#{}", order.user_id), "BUYER"), &buyer, &[]).unwrap(),
    );
    assert_eq!((read.orders.len(), read.unreadable.len()), (1, 0));
    read.insert(write_item(&Key::new(&pk, "PAYMENT"), order, &[]).unwrap());
    read.insert(write_item(&Key::new(&pk, "UNKNOWN#1"), order, &[]).unwrap());
    read.insert(Item::new());
    let found = broken(&read).join("\n");
    assert!(found.contains(&format!("{pk} PAYMENT: ")), "{found}");
    assert!(
        found.contains(&format!("{pk} UNKNOWN#1: ")) && found.contains("unknown item type"),
        "{found}"
    );
    assert_eq!(read.unreadable.len(), 3, "{found}");
}

#[test]
fn parts_of_a_timeline_are_put_together() {
    let order = paid().orders.remove(0);
    let mut newest = order.clone();
    let entries: Vec<TimelineEntry> = newest.timeline.drain(..2).collect();
    newest.archived.parts = 1;
    newest.archived.ids = entries.iter().map(|entry| entry.id).collect();
    let part = TimelinePart { order_id: order.order_id, number: 1, entries };
    let pk = format!("ORDER#{}", order.order_id);
    let items = [
        write_item(&Key::new(&pk, "ORDER"), &newest, &[]).unwrap(),
        write_item(&Key::new(&pk, "TIMELINE#1"), &part, &[]).unwrap(),
    ];
    let read = |items: &mut dyn Iterator<Item = Item>| {
        let mut snapshot = Snapshot { orders: Vec::new(), ..paid() };
        items.for_each(|item| snapshot.insert(item));
        snapshot
    };
    for snapshot in [read(&mut items.iter().cloned()), read(&mut items.iter().rev().cloned())] {
        assert_eq!(snapshot.orders[0].timeline.len(), order.timeline.len());
        assert_eq!(broken(&snapshot), Vec::<String>::new());
    }
    let incomplete = broken(&read(&mut items[..1].iter().cloned())).concat();
    assert!(incomplete.contains("a part of the timeline is missing"), "{incomplete}");
}
