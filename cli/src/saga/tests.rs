use super::*;
use crate::{
    dead_letters::tests::delivered,
    reconcile::tests::{
        Stage, at, cancelled_unprocessed, confirmed_but_not_sold, declined,
        lines::{cancel_requested, rejected_unprocessed},
        paid, refunded,
    },
};

/// What the only order of the snapshot is waiting for.
fn waiting(snapshot: &Snapshot) -> Vec<String> {
    waiting_for(snapshot, snapshot.orders[0].order_id).iter().map(ToString::to_string).collect()
}

#[test]
fn pending_orders_wait_for_their_next_event() {
    for (stage, wait) in [
        (Stage::Placed, "OrderPlaced to be processed by inventory-on-orders"),
        (Stage::Reserved, "StockReserved to be processed by payments-on-inventory"),
        (Stage::Opened, "StockReserved to be processed by payments-on-inventory"),
        (Stage::Started, "the provider to settle the charge"),
        (Stage::Captured, "PaymentCaptured to be processed by orders-on-payments"),
        (Stage::Declined, "PaymentFailed to be processed by orders-on-payments"),
    ] {
        assert_eq!(waiting(&at(stage).0), [wait]);
    }
    let mut short = at(Stage::Reserved).0;
    short.reservations[0].outcome = ReservationOutcome::Rejected;
    assert_eq!(waiting(&short), ["StockRejected to be processed by orders-on-inventory"]);
}

#[test]
fn settled_orders_wait_for_nothing() {
    for snapshot in [paid(), declined(), cancelled_unprocessed()] {
        assert_eq!(waiting(&snapshot), Vec::<String>::new());
    }
}

#[test]
fn ended_lines_wait_for_their_consumers() {
    let (mut snapshot, _) = rejected_unprocessed();
    let line = "OrderLineRejected to be processed by";
    let waits = waiting(&snapshot);
    assert!(waits.contains(&format!("{line} inventory-on-orders")), "{waits:?}");
    assert!(waits.contains(&format!("{line} payments-on-orders")), "{waits:?}");
    snapshot.payments[0].compensated_lines.insert(1);
    let waits = waiting(&snapshot);
    assert!(!waits.contains(&format!("{line} payments-on-orders")), "{waits:?}");
}

#[test]
fn an_unanswered_cancel_request_waits_for_delivery() {
    let (snapshot, _) = cancel_requested();
    let wait = "OrderLineCancelRequested to be processed by delivery-on-orders";
    assert_eq!(waiting(&snapshot), [wait]);
}

#[test]
fn decided_orders_wait_for_their_consumers() {
    assert_eq!(
        waiting(&confirmed_but_not_sold().0),
        ["OrderConfirmed to be processed by inventory-on-orders"]
    );
    let mut unprocessed = paid();
    unprocessed.orders[0].state = OrderState::Cancelled;
    assert_eq!(
        waiting(&unprocessed),
        [
            "OrderCancelled to be processed by inventory-on-orders",
            "OrderCancelled to be processed by payments-on-orders"
        ]
    );
    let mut unprocessed = cancelled_unprocessed();
    unprocessed.reservations.clear();
    unprocessed.payments.clear();
    assert_eq!(
        waiting(&unprocessed),
        [
            "OrderCancelled to be processed by inventory-on-orders",
            "OrderCancelled to be processed by payments-on-orders"
        ]
    );
    let mut charging = declined();
    charging.payments[0].state = PaymentState::Processing;
    assert_eq!(waiting(&charging), ["OrderCancelled to be processed by payments-on-orders"]);
    charging.payments[0].cancel_requested = true;
    assert_eq!(waiting(&charging), ["the provider to settle the charge"]);
}

#[test]
fn orders_wait_for_events_missing_from_the_timeline() {
    for (kind, consumer) in [
        ("StockReserved", "orders-on-inventory"),
        ("StockReleased", "orders-on-inventory"),
        ("PaymentFailed", "orders-on-payments"),
    ] {
        let mut snapshot = declined();
        snapshot.orders[0].timeline.retain(|entry| entry.kind != kind);
        assert_eq!(waiting(&snapshot), [format!("{kind} to be processed by {consumer}")]);
    }
    let mut snapshot = refunded();
    assert_eq!(waiting(&snapshot), Vec::<String>::new());
    snapshot.orders[0]
        .timeline
        .retain(|entry| entry.kind != "RefundIssued" && entry.kind != "PaymentCaptured");
    assert_eq!(
        waiting(&snapshot),
        [
            "PaymentCaptured to be processed by orders-on-payments",
            "RefundIssued to be processed by orders-on-payments"
        ]
    );
}

#[test]
fn lost_events_can_be_published_again_while_stored() {
    let (snapshot, _) = confirmed_but_not_sold();
    let late = snapshot.orders[0].created_at.plus(Duration::from_secs(600));
    let advice = stuck(&snapshot, late, Duration::ZERO)[0].advice(&[]);
    assert!(
        advice.contains("rialto outbox resend --order ord_") && advice.ends_with(" --yes"),
        "{advice}"
    );
    let mut snapshot = declined();
    snapshot.orders[0].timeline.retain(|entry| entry.kind != "StockReserved");
    let advice = stuck(&snapshot, late, Duration::ZERO)[0].advice(&[]);
    assert!(
        advice.ends_with("while it is listed here; afterwards only the timeline lacks it"),
        "{advice}"
    );
}

#[test]
fn orders_are_stuck_when_late_or_overdue() {
    let snapshot = at(Stage::Placed).0;
    let order = &snapshot.orders[0];
    let after = |seconds| order.created_at.plus(Duration::from_secs(seconds));
    assert_eq!(stuck(&snapshot, after(300), Duration::from_secs(300)), []);
    let late = stuck(&snapshot, after(301), Duration::from_secs(300));
    assert_eq!((late[0].order, late[0].state, late[0].overdue), (order.order_id, "PENDING", false));
    let overdue = stuck(&snapshot, order.expires_at, Duration::from_secs(86_400));
    assert!(overdue[0].overdue);
    assert!(overdue[0].advice(&[]).contains("orders-sweep"));
    assert_eq!(stuck(&paid(), after(86_400), Duration::ZERO), [], "it is settled");
}

#[test]
fn advice_names_only_the_blocking_dead_letter() {
    let (snapshot, events) = at(Stage::Placed);
    let stuck = &stuck(&snapshot, snapshot.orders[0].expires_at, Duration::ZERO)[0];
    let source = |name: &str| Source::Consumer(name.to_owned());
    let dead = delivered(source("inventory-on-orders"), &events[0]);
    assert!(
        stuck
            .advice(&[dead])
            .contains("it is a dead letter of inventory-on-orders: rialto dlq redrive")
    );
    let elsewhere = delivered(source("delivery-on-orders"), &events[0]);
    let of_another =
        delivered(source("inventory-on-orders"), &crate::dead_letters::tests::event(stuck.order));
    assert!(!stuck.advice(&[elsewhere, of_another]).contains("dead letter of"));
    let mut ruled = delivered(Source::Rule, &events[0]);
    assert_eq!(
        stuck.wait.dead(stuck.order, std::slice::from_ref(&ruled)).map(|dead| &dead.source),
        None
    );
    ruled.marks.target =
        Some("arn:aws:sqs:eu-central-1:1:rialto-dev-inventory-on-orders".to_owned());
    assert!(stuck.wait.dead(stuck.order, &[ruled]).is_some());
}
