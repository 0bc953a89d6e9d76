//! Compares an order's timeline with the events that the other services' state implies.

use rialto_inventory::domain::reservation::{LineState, Reservation, ReservationOutcome};
use rialto_orders::domain::order::{Order, OrderState};
use rialto_payments::domain::{payment::Payment, refund::RefundState};
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
) -> Kinds<'static> {
    let mut kinds = vec!["OrderPlaced"];
    match order.state {
        OrderState::Pending => {}
        OrderState::Confirmed => kinds.push("OrderConfirmed"),
        OrderState::Cancelled => kinds.push("OrderCancelled"),
    }
    kinds.extend(held.into_iter().flat_map(stock_events));
    kinds.extend(payment.into_iter().flat_map(payment_events));
    counted(kinds)
}

fn stock_events(held: &Reservation) -> Vec<&'static str> {
    let mut kinds = match held.outcome {
        ReservationOutcome::Reserved => vec!["StockReserved"],
        ReservationOutcome::Rejected => vec!["StockRejected"],
        ReservationOutcome::CancelledFirst => Vec::new(),
    };
    let back = |state| matches!(state, LineState::Released | LineState::Returned);
    if held.lines.iter().any(|line| back(line.state)) {
        kinds.push("StockReleased");
    }
    kinds
}

fn payment_events(payment: &Payment) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    // A failure is published unless the order was cancelled before. After a published failure, a
    // success isn't published.
    if payment.reason.is_some() && !payment.cancel_requested {
        kinds.push("PaymentFailed");
    } else if payment.captured.minor_units() > 0 {
        kinds.push("PaymentCaptured");
    }
    for refund in &payment.refunds {
        let times = |before: u32, state| before as usize + usize::from(refund.state == state);
        let issued = times(refund.issued_before, RefundState::Issued);
        let failed = times(refund.failed_before, RefundState::Failed);
        kinds.extend(iter::repeat_n("RefundIssued", issued));
        kinds.extend(iter::repeat_n("RefundFailed", failed));
    }
    kinds
}

/// The types of events that are missing from the timeline.
pub(crate) fn missing(
    order: &Order,
    held: Option<&Reservation>,
    payment: Option<&Payment>,
) -> Vec<&'static str> {
    let recorded = recorded(order);
    let missing =
        |(kind, times): &(&str, usize)| recorded.get(kind).is_none_or(|count| count < times);
    expected(order, held, payment).into_iter().filter(missing).map(|(kind, _)| kind).collect()
}
