//! The events of an order's lines, in every order and repeated: the deliveries end the same.

use rialto_contracts::orders::{
    CancelReason, LineSnapshot, LineSplit, OrderCancelled, OrderConfirmed,
};
use rialto_delivery::{
    adapters::memory::MemoryDelivery,
    application::{
        on_line_changed::on_line_changed, on_order_cancelled::on_order_cancelled,
        on_order_confirmed::on_order_confirmed,
    },
    domain::{
        delivery::{DeliveryState, LineDelivery},
        draft::WriteContext,
        line_change::{LineChange, LineChangeKind},
    },
    fixtures::{
        accepted_split, buyer, change, confirmed_order, line, line_change, order_id, split,
        write_at,
    },
};
use rialto_kernel::{EventId, Write};
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum OrdersEvent {
    Confirmed(OrderConfirmed),
    Cancelled(OrderCancelled),
    Changed(LineChange),
}

async fn handle(store: &MemoryDelivery, event: &OrdersEvent, write: &WriteContext) {
    let written = match event {
        OrdersEvent::Confirmed(order) => on_order_confirmed(store, order, write).await.unwrap(),
        OrdersEvent::Cancelled(order) => on_order_cancelled(store, order, write.now).await.unwrap(),
        OrdersEvent::Changed(change) => on_line_changed(store, change, write).await.unwrap(),
    };
    // An event that changes nothing is acknowledged, too.
    assert!(matches!(written, Write::Done | Write::Conflict(())));
}

/// All orders of the numbers below `count`.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for number in 0..count {
        all = all
            .iter()
            .flat_map(|shorter: &Vec<usize>| {
                (0..=shorter.len()).map(move |at| {
                    let mut longer = shorter.clone();
                    longer.insert(at, number);
                    longer
                })
            })
            .collect();
    }
    all
}

/// The deliveries after the events, without their versions.
async fn outcome(events: &[OrdersEvent], order: &[usize]) -> Vec<LineDelivery> {
    let store = MemoryDelivery::default();
    for &at in order {
        handle(&store, &events[at], &write_at(1)).await;
    }
    let deliveries = store.deliveries().into_iter();
    let mut deliveries: Vec<_> =
        deliveries.map(|delivery| LineDelivery { version: 0, ..delivery }).collect();
    deliveries.sort_by_key(|delivery| delivery.line_no);
    deliveries
}

async fn assert_confluent(events: &[OrdersEvent], expected: &[(u32, u32, DeliveryState, bool)]) {
    let in_order: Vec<usize> = (0..events.len()).collect();
    let reference = outcome(events, &in_order).await;
    let summary: Vec<_> =
        reference.iter().map(|of| (of.line_no, of.quantity.get(), of.state, of.accepted)).collect();
    assert_eq!(summary, expected);
    for order in permutations(events.len()) {
        assert_eq!(outcome(events, &order).await, reference, "{order:?}");
        // Each event twice: at once, and once more after all others.
        let at_once: Vec<usize> = order.iter().flat_map(|&at| [at, at]).collect();
        assert_eq!(outcome(events, &at_once).await, reference, "{at_once:?}");
        let again = [order.clone(), order].concat();
        assert_eq!(outcome(events, &again).await, reference, "{again:?}");
    }
}

fn confirmed(pieces: &[u32]) -> OrdersEvent {
    OrdersEvent::Confirmed(confirmed_order(order_id(), pieces))
}

fn cancelled() -> OrdersEvent {
    let (order_id, user_id) = (order_id(), buyer());
    OrdersEvent::Cancelled(OrderCancelled { order_id, user_id, reason: CancelReason::Buyer })
}

/// An event about a line of the root 1.
fn changed(line_no: u32, pieces: u32, splits: &[LineSplit], kind: LineChangeKind) -> OrdersEvent {
    OrdersEvent::Changed(line_change(line(line_no, pieces, splits), kind))
}

#[tokio::test]
async fn a_split_and_partly_cancelled_line_ends_the_same() {
    // 6 pieces: 2 are split off, the rest is accepted and 1 of it cancelled, the part rejected.
    let first = split(2, 1, 2);
    let second = accepted_split(3, 1, 1);
    let events = [
        confirmed(&[6]),
        changed(2, 2, &[first], LineChangeKind::Split),
        changed(1, 4, &[first], LineChangeKind::Accepted),
        changed(3, 1, &[first, second], LineChangeKind::CancelRequested),
        changed(2, 2, &[first, second], LineChangeKind::Rejected),
        changed(3, 1, &[first, second], LineChangeKind::Cancelled),
    ];
    let expected = [
        (1, 3, DeliveryState::Prepared, true),
        (2, 2, DeliveryState::Cancelled, false),
        (3, 1, DeliveryState::Cancelled, true),
    ];
    assert_confluent(&events, &expected).await;
}

#[tokio::test]
async fn a_part_of_a_part_ends_the_same() {
    let first = split(2, 1, 4);
    let second = split(3, 2, 1);
    let events = [
        confirmed(&[9]),
        changed(2, 4, &[first], LineChangeKind::Split),
        changed(3, 1, &[first, second], LineChangeKind::Split),
        changed(3, 1, &[first, second], LineChangeKind::Accepted),
        changed(2, 3, &[first, second], LineChangeKind::CancelRequested),
        changed(1, 5, &[first, second], LineChangeKind::Rejected),
    ];
    let expected = [
        (1, 5, DeliveryState::Cancelled, false),
        (2, 3, DeliveryState::Held, false),
        (3, 1, DeliveryState::Prepared, true),
    ];
    assert_confluent(&events, &expected).await;
}

#[tokio::test]
async fn a_cancelled_order_of_two_lines_ends_the_same() {
    let first = accepted_split(3, 1, 2);
    let second_line = LineSnapshot { root: 2, ..line(2, 1, &[]) };
    let events = [
        confirmed(&[3, 1]),
        changed(1, 3, &[], LineChangeKind::Accepted),
        changed(3, 2, &[first], LineChangeKind::CancelRequested),
        changed(1, 1, &[first], LineChangeKind::CancelRequested),
        OrdersEvent::Changed(line_change(second_line, LineChangeKind::Rejected)),
        cancelled(),
    ];
    let expected = [
        (1, 1, DeliveryState::Cancelled, true),
        (2, 1, DeliveryState::Cancelled, false),
        (3, 2, DeliveryState::Cancelled, true),
    ];
    assert_confluent(&events, &expected).await;
}

#[tokio::test]
async fn a_cancellation_before_the_confirmation_leaves_no_delivery_open() {
    let store = MemoryDelivery::default();
    handle(&store, &cancelled(), &write_at(1)).await;
    handle(&store, &confirmed(&[1, 2]), &write_at(2)).await;
    assert!(store.deliveries().iter().all(|of| of.state == DeliveryState::Cancelled));
    assert_eq!((store.deliveries().len(), store.published_events().len()), (2, 0));
}

/// A cancel request of a line of two pieces, published again as often as `repeats`.
fn cancel_request(repeats: u8) -> OrdersEvent {
    let requested = change(1, 2, LineChangeKind::CancelRequested);
    OrdersEvent::Changed(LineChange { event_id: EventId::derive(&[&[repeats]]), ..requested })
}

#[tokio::test]
async fn each_repeated_cancel_request_gets_one_new_event() {
    for before_confirmation in [true, false] {
        let store = MemoryDelivery::default();
        let mut events = vec![cancel_request(0), confirmed(&[2])];
        if !before_confirmation {
            events.reverse();
        }
        events.extend((1..4).map(cancel_request));
        // Each is received several times.
        for event in events.iter().chain(&events).chain(events.iter().rev()) {
            handle(&store, event, &write_at(3)).await;
        }
        let events = store.published_events();
        let held: BTreeSet<_> = events
            .iter()
            .filter(|event| event.kind == "DeliveryHeld")
            .map(|event| event.id)
            .collect();
        assert_eq!((held.len(), events.len()), (4, 5));
    }
}
