//! Compares an order's timeline with the events that the other services' state implies.

use rialto_contracts::{
    Payload,
    delivery::{
        DeliveryCompleted, DeliveryHeld, DeliveryNotHeld, DeliveryPrepared, DeliveryStarted,
        ReceiptConfirmed,
    },
    inventory::StockReleased,
    orders::{
        OrderLineAccepted, OrderLineCancelRefused, OrderLineCancelRequested, OrderLineCancelled,
        OrderLineRejected, OrderLineReturnDeclined, OrderLineReturnRequested, OrderLineReturned,
        OrderLineSplit, OrderLineState,
    },
};
use rialto_delivery::domain::delivery::{DeliveryState, LineDelivery};
use rialto_inventory::domain::{
    reservation::{Reservation, ReservationOutcome},
    reserved_line::LineState,
};
use rialto_orders::domain::{
    line::OrderLine,
    order::{Order, OrderState},
    timeline::TimelineEntry,
};
use rialto_payments::domain::{dispute::DisputeStanding, payment::Payment, refund::RefundState};
use serde::Deserialize;
use std::{collections::BTreeMap, iter};

/// Counts of events by type.
pub(crate) type Kinds<'a> = BTreeMap<&'a str, usize>;

fn counted<'a>(kinds: impl IntoIterator<Item = &'a str>) -> Kinds<'a> {
    let mut counts = Kinds::new();
    for kind in kinds {
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

/// The events of the timeline.
pub(crate) fn recorded(order: &Order) -> Kinds<'_> {
    counted(order.timeline.iter().map(|entry| entry.kind.as_str()))
}

/// The events that the timeline must have.
pub(crate) fn expected(
    order: &Order,
    held: Option<&Reservation>,
    payment: Option<&Payment>,
    deliveries: &[&LineDelivery],
) -> Kinds<'static> {
    let mut kinds = vec!["OrderPlaced"];
    if order.was_confirmed() {
        kinds.push("OrderConfirmed");
    }
    match order.state {
        OrderState::Pending | OrderState::Confirmed => {}
        OrderState::Completed => kinds.push("OrderCompleted"),
        OrderState::Cancelled => kinds.push("OrderCancelled"),
    }
    kinds.extend(line_events(order));
    kinds.extend(held.into_iter().flat_map(|held| stock_events(order, held)));
    kinds.extend(payment.into_iter().flat_map(payment_events));
    kinds.extend(deliveries.iter().flat_map(|delivery| delivery_events(order, delivery)));
    counted(kinds)
}

/// The events about lines: one for the end of each, and those of the timeline that leave it open.
fn line_events(order: &Order) -> Vec<&'static str> {
    const OPEN: [&str; 6] = [
        OrderLineAccepted::TYPE,
        OrderLineCancelRequested::TYPE,
        OrderLineCancelRefused::TYPE,
        OrderLineReturnRequested::TYPE,
        OrderLineReturnDeclined::TYPE,
        OrderLineSplit::TYPE,
    ];
    let end = |line: &OrderLine| match line.state {
        OrderLineState::Rejected => Some(OrderLineRejected::TYPE),
        // The lines of an order that was never confirmed end with it.
        OrderLineState::Cancelled => order.was_confirmed().then_some(OrderLineCancelled::TYPE),
        OrderLineState::Returned => Some(OrderLineReturned::TYPE),
        _ => None,
    };
    let ends = order.lines.iter().filter_map(end);
    let open = |entry: &TimelineEntry| OPEN.into_iter().find(|kind| entry.kind == *kind);
    ends.chain(order.timeline.iter().filter_map(open)).collect()
}

fn stock_events(order: &Order, held: &Reservation) -> Vec<&'static str> {
    let mut kinds = match held.outcome {
        ReservationOutcome::Reserved => vec!["StockReserved"],
        ReservationOutcome::Rejected => vec!["StockRejected"],
        ReservationOutcome::CancelledFirst => Vec::new(),
    };
    kinds.extend(iter::repeat_n("StockReleased", releases(order, held)));
    kinds
}

/// The number of StockReleased events: those of the timeline, and another one if they are about
/// fewer pieces than hold no stock any more.
fn releases(order: &Order, held: &Reservation) -> usize {
    let mut pieces = BTreeMap::<_, i64>::new();
    for line in &held.lines {
        let restocked = match line.state {
            LineState::Reserved | LineState::Sold => continue,
            LineState::Released | LineState::Returned => true,
            LineState::WrittenOff => false,
        };
        *pieces.entry((line.product_id, restocked)).or_default() += i64::from(line.quantity.get());
    }
    let recorded = order.timeline.iter().filter(|entry| entry.kind == StockReleased::TYPE);
    let recorded: Vec<_> =
        recorded.filter_map(|entry| StockReleased::deserialize(&entry.data).ok()).collect();
    for line in recorded.iter().flat_map(|event| &event.lines) {
        let pieces = pieces.entry((line.product_id, line.restocked)).or_default();
        *pieces -= i64::from(line.quantity.get());
    }
    match pieces.into_values().find(|pieces| *pieces != 0) {
        None => recorded.len(),
        Some(1..) => recorded.len() + 1,
        Some(_) => recorded.len() - 1,
    }
}

fn payment_events(payment: &Payment) -> Vec<&'static str> {
    let mut kinds = vec!["PaymentActionRequired"; payment.published_actions()];
    kinds.extend(iter::repeat_n("PaymentFailed", payment.published_failures()));
    if payment.published_capture() {
        kinds.push("PaymentCaptured");
    }
    for refund in &payment.refunds {
        let times = |before: u32, state| before as usize + usize::from(refund.state == state);
        let issued = times(refund.issued_before, RefundState::Issued)
            + usize::from(refund.state == RefundState::Settled);
        let failed = times(refund.failed_before, RefundState::Failed);
        kinds.extend(iter::repeat_n("RefundIssued", issued));
        kinds.extend(iter::repeat_n("RefundFailed", failed));
    }
    kinds.extend(payment.disputes.iter().flat_map(|dispute| match dispute.state {
        DisputeStanding::Warning => &[][..],
        DisputeStanding::Open => &["DisputeOpened"],
        DisputeStanding::Won | DisputeStanding::Lost => &["DisputeOpened", "DisputeClosed"],
    }));
    kinds
}

/// The events about a delivery: those of its state, and the timeline's responses to cancel
/// requests, one for each time that one is received.
fn delivery_events(order: &Order, delivery: &LineDelivery) -> Vec<&'static str> {
    let recorded = |kind: &'static str| {
        let entries = order.timeline.iter();
        let of_it =
            entries.filter(|entry| entry.kind == kind && entry.data["line_no"] == delivery.line_no);
        iter::repeat_n(kind, of_it.count())
    };
    let once = |kind, published: bool| iter::repeat_n(kind, usize::from(published));
    let state = delivery.state;
    let delivered = matches!(state, DeliveryState::Delivered | DeliveryState::Confirmed);
    let prepared: Vec<_> = match state {
        // It may have been cancelled before it was prepared. A part is split off one that was.
        _ if delivery.line_no != delivery.root => {
            recorded(DeliveryPrepared::TYPE).take(1).collect()
        }
        DeliveryState::Cancelled => recorded(DeliveryPrepared::TYPE).take(1).collect(),
        _ => vec![DeliveryPrepared::TYPE],
    };
    prepared
        .into_iter()
        .chain(recorded(DeliveryHeld::TYPE))
        .chain(recorded(DeliveryNotHeld::TYPE))
        .chain(once(DeliveryStarted::TYPE, state.has_started()))
        .chain(once(DeliveryCompleted::TYPE, delivered))
        .chain(once(ReceiptConfirmed::TYPE, state == DeliveryState::Confirmed))
        .collect()
}

/// The types of events that are missing from the timeline.
pub(crate) fn missing(
    order: &Order,
    held: Option<&Reservation>,
    payment: Option<&Payment>,
    deliveries: &[&LineDelivery],
) -> Vec<&'static str> {
    let recorded = recorded(order);
    let missing =
        |(kind, times): &(&str, usize)| recorded.get(kind).is_none_or(|count| count < times);
    expected(order, held, payment, deliveries)
        .into_iter()
        .filter(missing)
        .map(|(kind, _)| kind)
        .collect()
}
