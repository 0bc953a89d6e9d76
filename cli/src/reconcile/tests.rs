use super::*;
use rialto_contracts::{Event, EventContext, Payload, orders::CancelReason};
use rialto_dynamo::{Key, write_item};
use rialto_inventory::domain::reservation::{LineState, ReservationUpdate as Held};
use rialto_kernel::{Amount, SellerId, Timestamp};
use rialto_orders::{
    domain::order::{OrderState, OrderUpdate as Moved, Transition},
    fixtures::placed_order,
};
use rialto_payments::domain::{
    intent::{ChargeOutcome, DeclineCode, IntentId},
    payment::{PaymentState, PaymentUpdate as Paid},
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
fn hear(order: &mut Order, event: &Event, effect: Transition) -> Vec<Event> {
    let Moved { order: moved, events } =
        order.apply(event, effect, NOW, &caused_by(event)).unwrap();
    *order = moved;
    events
}

/// A snapshot with the product's initial stock.
fn opened() -> Snapshot {
    let (stock, movement) = Stock::initial(product(), SellerId::derive(&[b"s"]), STOCK, NOW);
    Snapshot { stocks: vec![stock], movements: vec![movement], ..Snapshot::default() }
}

impl Snapshot {
    fn hold(&mut self, change: Held) -> Vec<Event> {
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

    fn pay(&mut self, change: Paid) -> Vec<Event> {
        self.payments = vec![change.payment];
        self.ledger.extend(change.entry);
        change.events
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
    let mut books = opened();
    let Moved { mut order, events } = placed_order();
    books.orders = vec![order.clone()];
    if stage == Stage::Placed {
        return (books, events);
    }
    let reserved =
        books.hold(Reservation::reserve(&payload(&events[0]), NOW, &caused_by(&events[0])));
    hear(&mut order, &reserved[0], Transition::RecordOnly);
    books.orders = vec![order];
    if stage == Stage::Reserved {
        return (books, reserved);
    }
    books.pay(Payment::pending(&payload(&reserved[0]), &caused_by(&reserved[0])));
    if stage == Stage::Opened {
        return (books, reserved);
    }
    books.pay(books.payments[0].record_intent(&IntentId::parse("pi_1").unwrap()).unwrap());
    let end = match stage {
        Stage::Captured => ChargeOutcome::Captured,
        Stage::Declined => ChargeOutcome::Failed { reason: DeclineCode::new("card_declined") },
        _ => return (books, reserved),
    };
    let ended = books.pay(books.payments[0].settle(&end, NOW, &caused_by(&reserved[0])).unwrap());
    (books, ended)
}

/// The snapshot of a confirmed order before inventory processed the confirmation, and that event.
pub(crate) fn confirmed_but_not_sold() -> (Snapshot, Event) {
    let (mut books, captured) = at(Stage::Captured);
    let confirmed = hear(&mut books.orders[0], &captured[0], Transition::Confirm);
    (books, confirmed[0].clone())
}

/// The snapshot after an order of two units whose charge had this outcome.
fn after(stage: Stage) -> Snapshot {
    let (mut books, ended) = at(stage);
    if stage == Stage::Captured {
        let confirmed = hear(&mut books.orders[0], &ended[0], Transition::Confirm);
        books.hold(books.reservations[0].sell(NOW, &caused_by(&confirmed[0])).unwrap());
    } else {
        let cause = Transition::Cancel(CancelReason::PaymentFailed);
        let cancelled = hear(&mut books.orders[0], &ended[0], cause);
        let released =
            books.hold(books.reservations[0].release(NOW, &caused_by(&cancelled[0])).unwrap());
        hear(&mut books.orders[0], &released[0], Transition::RecordOnly);
    }
    books
}

pub(crate) fn paid() -> Snapshot {
    after(Stage::Captured)
}

pub(crate) fn declined() -> Snapshot {
    after(Stage::Declined)
}

/// The violated invariants after a corruption.
fn corrupted(mut books: Snapshot, spoil: impl FnOnce(&mut Snapshot)) -> String {
    spoil(&mut books);
    broken(&books).join("\n")
}

#[test]
fn settled_orders_satisfy_every_invariant() {
    assert_eq!(broken(&paid()), Vec::<String>::new());
    assert_eq!(broken(&declined()), Vec::<String>::new());
    assert_eq!(broken(&cancelled_unprocessed()), Vec::<String>::new());
    assert_eq!(broken(&given_back()), Vec::<String>::new());
}

/// The snapshot after a buyer cancelled before any consumer processed the order.
pub(crate) fn cancelled_unprocessed() -> Snapshot {
    let mut books = opened();
    let Moved { order, .. } = placed_order();
    let Moved { order, events } =
        order.cancel(CancelReason::Buyer, NOW, &EventContext::default()).unwrap();
    let cancelled = payload(&events[0]);
    books.hold(Reservation::tombstone(order.order_id, &caused_by(&events[0])));
    books.pay(Payment::tombstone(&cancelled, &caused_by(&events[0])));
    books.orders = vec![order];
    books
}

/// The snapshot after a charge succeeded that had failed before: refunded at once.
fn paid_after_all() -> Snapshot {
    let mut books = declined();
    let late = books.payments[0].cause(None);
    books.pay(books.payments[0].settle(&ChargeOutcome::Captured, NOW, &late).unwrap());
    refunded(books)
}

/// The snapshot after a buyer cancelled a paid order before orders processed the payment.
pub(crate) fn given_back() -> Snapshot {
    let (mut books, captured) = at(Stage::Captured);
    let cancelled =
        books.orders[0].cancel(CancelReason::Buyer, NOW, &EventContext::default()).unwrap();
    books.orders = vec![cancelled.order];
    hear(&mut books.orders[0], &captured[0], Transition::Confirm);
    let cause = caused_by(&cancelled.events[0]);
    let released = books.hold(books.reservations[0].release(NOW, &cause).unwrap());
    hear(&mut books.orders[0], &released[0], Transition::RecordOnly);
    books.pay(books.payments[0].cancel(&cause).unwrap());
    refunded(books)
}

/// The snapshot with a pending refund.
fn refunded(mut books: Snapshot) -> Snapshot {
    let payment = &books.payments[0];
    let refund = payment.refunds[0].refund_id;
    let issued =
        payment.settle_refund(refund, &RefundOutcome::Issued, NOW, &payment.cause(None)).unwrap();
    let issued = books.pay(issued);
    hear(&mut books.orders[0], &issued[0], Transition::RecordOnly);
    books
}

#[test]
fn late_successes_satisfy_every_invariant() {
    assert_eq!(broken(&paid_after_all()), Vec::<String>::new());
    let untold = |books: &mut Snapshot| {
        books.orders[0].timeline.retain(|entry| entry.kind != "PaymentFailed")
    };
    assert!(corrupted(paid_after_all(), untold).contains("tells"));
}

#[test]
fn only_buyers_and_sweeps_cancel_without_a_cause() {
    let other = |books: &mut Snapshot| {
        for entry in &mut books.orders[0].timeline {
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
        corrupted(paid(), |books| books.stocks[0].available += 1).contains("its movements sum to")
    );
    assert!(
        corrupted(paid(), |books| drop(books.movements.pop())).contains("its movements sum to")
    );
    let twice = corrupted(paid(), |books| books.movements.push(books.movements[0].clone()));
    assert!(twice.contains("began 2 times"), "{twice}");
}

#[test]
fn stock_reserved_for_no_order_is_reported() {
    let freed = |books: &mut Snapshot| books.reservations[0].lines[0].state = LineState::Released;
    assert!(corrupted(paid(), freed).contains("2 are Sold, reservations have 0"));
    let kept = |books: &mut Snapshot| books.reservations[0].lines[0].state = LineState::Reserved;
    assert!(corrupted(declined(), kept).contains("0 are Reserved, reservations have 2"));
}

#[test]
fn unsold_or_unpaid_confirmed_orders_are_reported() {
    assert!(
        corrupted(paid(), |books| books.reservations.clear()).contains("CONFIRMED and not sold")
    );
    let unpaid = corrupted(paid(), |books| books.payments.clear());
    assert!(unpaid.contains("live lines cost 2300, the shop has 0"), "{unpaid}");
    assert!(unpaid.contains("a ledger entry without its payment"), "{unpaid}");
    let failed = |books: &mut Snapshot| books.payments[0].state = PaymentState::Failed;
    assert!(corrupted(paid(), failed).contains("CONFIRMED, its payment Some(Failed)"));
}

#[test]
fn cancelled_orders_with_stock_or_money_are_reported() {
    let held = |books: &mut Snapshot| books.reservations[0].lines[0].state = LineState::Sold;
    assert!(corrupted(declined(), held).contains("CANCELLED, line 1 is Sold"));
    let charged = |books: &mut Snapshot| {
        books.payments[0].captured = Amount::new(2_300).unwrap();
        books.payments[0].state = PaymentState::Captured;
    };
    let charged = corrupted(declined(), charged);
    assert!(charged.contains("CANCELLED, 2300 of the payment"), "{charged}");
    assert!(charged.contains("the ledger has 0 as Captured, the payment 2300"), "{charged}");
}

#[test]
fn double_captures_and_unbalanced_ledgers_are_reported() {
    let twice = corrupted(paid(), |books| books.ledger.push(books.ledger[0].clone()));
    assert!(twice.contains("captured 2 times"), "{twice}");
    let lopsided = corrupted(paid(), |books| books.ledger[0].postings[0].amount += 1);
    assert!(lopsided.contains("sums to 1"), "{lopsided}");
}

#[test]
fn work_in_progress_is_reported() {
    let pending = |books: &mut Snapshot| books.orders[0].state = OrderState::Pending;
    assert!(corrupted(paid(), pending).contains(": PENDING"));
    let processing = |books: &mut Snapshot| books.payments[0].state = PaymentState::Processing;
    assert!(corrupted(declined(), processing).contains("its payment is Processing"));
}

/// The snapshot after a buyer cancelled while the provider processed the charge.
fn cancelled_while_charging() -> Snapshot {
    let mut books = at(Stage::Started).0;
    let Moved { order, events } =
        books.orders[0].cancel(CancelReason::Buyer, NOW, &EventContext::default()).unwrap();
    books.orders = vec![order];
    let cause = caused_by(&events[0]);
    let released = books.hold(books.reservations[0].release(NOW, &cause).unwrap());
    hear(&mut books.orders[0], &released[0], Transition::RecordOnly);
    books.pay(books.payments[0].cancel(&cause).unwrap());
    books
}

#[test]
fn charges_of_cancelled_orders_stay_in_progress() {
    let books = cancelled_while_charging();
    assert_eq!(in_progress(&books), ["the provider hasn't settled the charge"]);
    assert_eq!(findings(&books, NOW).len(), 1, "{:?}", broken(&books));
}

#[test]
fn overdue_work_is_inconsistent() {
    for books in [
        at(Stage::Placed).0,
        at(Stage::Captured).0,
        cancelled_while_charging(),
        unprocessed_cancellation(),
    ] {
        let expires_at = books.orders[0].expires_at;
        let standings = |now| {
            let found = findings(&books, now);
            found.into_iter().map(|finding| finding.standing).collect::<BTreeSet<_>>()
        };
        let limit = expires_at.plus(Duration::from_secs(600));
        assert_eq!(standings(limit), [Severity::InProgress].into());
        let over = limit.plus(Duration::from_millis(1));
        assert_eq!(standings(over), [Severity::Inconsistent].into());
        assert!(
            findings(&books, over).iter().all(|finding| finding.what.ends_with(", for too long"))
        );
    }
}

#[test]
fn late_events_extend_the_deadline() {
    let mut books = given_back();
    let payment = &mut books.payments[0];
    payment.refunds[0].state = RefundState::Pending;
    books.ledger.pop();
    books.orders[0].timeline.pop();
    let late = books.orders[0].expires_at.plus(Duration::from_secs(86_400));
    let refunding = |books: &Snapshot| {
        let found = findings(books, late.plus(Duration::from_secs(60)));
        found
            .into_iter()
            .find(|finding| finding.what.starts_with("1 refunds are"))
            .unwrap()
            .standing
    };
    assert_eq!(refunding(&books), Severity::Inconsistent);
    books.ledger[0].at = late;
    assert_eq!(refunding(&books), Severity::InProgress);
    books.ledger[0].at = NOW;
    books.orders[0].timeline[1].time = late;
    assert_eq!(refunding(&books), Severity::InProgress);
}

#[test]
fn items_without_an_order_are_reported() {
    let alone = corrupted(paid(), |books| books.orders.clear());
    assert!(alone.contains("a reservation (Reserved) without its order"), "{alone}");
    assert!(alone.contains("a payment (Captured) without its order"), "{alone}");
}

#[test]
fn timeline_gaps_and_repetitions_are_reported() {
    let gap = corrupted(paid(), |books| drop(books.orders[0].timeline.remove(1)));
    assert!(gap.contains("which isn't in the timeline"), "{gap}");
    assert!(corrupted(declined(), |books| drop(books.orders[0].timeline.pop())).contains("tells"));
    let twice = corrupted(paid(), |books| {
        let entry = books.orders[0].timeline[0].clone();
        books.orders[0].timeline.push(entry);
    });
    assert!(twice.contains("an event is in the timeline twice"), "{twice}");
}

#[test]
fn shares_that_miss_the_total_are_reported() {
    let share = |books: &mut Snapshot| books.orders[0].lines[0].share = Amount::new(1).unwrap();
    assert!(corrupted(paid(), share).contains("the shares sum to 1, the total is 2300"));
}

/// The discrepancies in progress.
fn in_progress(books: &Snapshot) -> Vec<String> {
    let waiting =
        findings(books, NOW).into_iter().filter(|finding| finding.standing == Severity::InProgress);
    waiting.map(|finding| finding.what).collect()
}

#[test]
fn orders_in_progress_violate_nothing() {
    assert_eq!(in_progress(&at(Stage::Placed).0), ["PENDING"]);
    let mut books = at(Stage::Opened).0;
    assert!(
        in_progress(&books).contains(&"its payment is Pending".to_owned()),
        "{:?}",
        broken(&books)
    );
    for stage in [
        Stage::Placed,
        Stage::Reserved,
        Stage::Opened,
        Stage::Started,
        Stage::Captured,
        Stage::Declined,
    ] {
        let books = at(stage).0;
        assert_eq!(
            in_progress(&books).len(),
            findings(&books, NOW).len(),
            "{stage:?}: {:?}",
            broken(&books)
        );
    }
    // Violations are reported all the same.
    books.stocks[0].reserved = 0;
    books.orders[0].lines[0].share = Amount::new(1).unwrap();
    let wrong = findings(&books, NOW)
        .into_iter()
        .filter(|finding| finding.standing == Severity::Inconsistent);
    let about: Vec<_> = wrong.map(|finding| finding.about.to_string()).collect();
    assert_eq!(about.last(), Some(&books.orders[0].order_id.to_string()));
    assert!(about.contains(&product().to_string()), "{about:?}");
}

#[test]
fn cancellations_are_in_progress_until_processed() {
    let mut books = cancelled_unprocessed();
    books.payments.clear();
    assert_eq!(in_progress(&books), ["CANCELLED, but payments hasn't processed it"]);
    let books = unprocessed_cancellation();
    assert_eq!(in_progress(&books)[0], "CANCELLED, but inventory hasn't processed it");
    assert_eq!(findings(&books, NOW).len(), 2, "{:?}", broken(&books));
}

/// The snapshot after a cancellation that no consumer has processed.
fn unprocessed_cancellation() -> Snapshot {
    Snapshot { reservations: Vec::new(), payments: Vec::new(), ..cancelled_unprocessed() }
}

#[test]
fn pending_refunds_are_in_progress() {
    let mut books = paid();
    books.orders[0].state = OrderState::Cancelled;
    let wrong = |books: &Snapshot| {
        let text = "CANCELLED, 2300 of the payment isn't refunded";
        findings(books, NOW).into_iter().find(|finding| finding.what == text).unwrap().standing
    };
    assert_eq!(wrong(&books), Severity::Inconsistent);
    books.payments[0]
        .refunds
        .push(Refund::remaining(books.orders[0].order_id, Amount::new(2_300).unwrap()));
    assert_eq!(wrong(&books), Severity::InProgress);
    assert!(in_progress(&books).contains(&"1 refunds are pending".to_owned()));
}

#[test]
fn invalid_and_unknown_items_are_reported() {
    let books = paid();
    let order = &books.orders[0];
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
