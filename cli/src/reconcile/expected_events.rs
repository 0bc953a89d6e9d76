//! What an order's timeline tells, and what the books of the other services say that it has to.

use rialto_inventory::domain::reservation::{LineState, Reservation, ReservationOutcome};
use rialto_orders::domain::order::{Order, OrderState};
use rialto_payments::domain::{payment::Payment, refund::RefundState};
use std::collections::BTreeMap;

/// How often each type of event is told, or has to be.
pub(crate) type Kinds<'a> = BTreeMap<&'a str, usize>;

fn counted<'a>(kinds: impl IntoIterator<Item = &'a str>) -> Kinds<'a> {
    let mut counts = Kinds::new();
    for kind in kinds {
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

/// What the timeline tells.
pub(crate) fn recorded(order: &Order) -> Kinds<'_> {
    counted(order.timeline.iter().map(|entry| entry.kind.as_str()))
}

/// What the timeline has to tell.
pub(crate) fn expected(
    order: &Order,
    held: Option<&Reservation>,
    payment: Option<&Payment>,
) -> Kinds<'static> {
    let mut wanted = vec!["OrderPlaced"];
    match order.state {
        OrderState::Pending => {}
        OrderState::Confirmed => wanted.push("OrderConfirmed"),
        OrderState::Cancelled => wanted.push("OrderCancelled"),
    }
    wanted.extend(held.into_iter().flat_map(stock_events));
    wanted.extend(payment.into_iter().flat_map(payment_events));
    counted(wanted)
}

fn stock_events(held: &Reservation) -> Vec<&'static str> {
    let mut wanted = match held.outcome {
        ReservationOutcome::Reserved => vec!["StockReserved"],
        ReservationOutcome::Rejected => vec!["StockRejected"],
        ReservationOutcome::CancelledFirst => Vec::new(),
    };
    let back = |state| matches!(state, LineState::Released | LineState::Returned);
    if held.lines.iter().any(|line| back(line.state)) {
        wanted.push("StockReleased");
    }
    wanted
}

fn payment_events(payment: &Payment) -> Vec<&'static str> {
    let mut wanted = Vec::new();
    // A failure is told unless the order was cancelled before it. Whoever was told of it isn't told of a success after it.
    if payment.reason.is_some() && !payment.cancel_requested {
        wanted.push("PaymentFailed");
    } else if payment.captured.minor_units() > 0 {
        wanted.push("PaymentCaptured");
    }
    wanted.extend(payment.refunds.iter().filter_map(|refund| match refund.state {
        RefundState::Pending => None,
        RefundState::Issued => Some("RefundIssued"),
        RefundState::Failed => Some("RefundFailed"),
    }));
    wanted
}

/// The types of events that the timeline has to tell and doesn't.
pub(crate) fn missing(
    order: &Order,
    held: Option<&Reservation>,
    payment: Option<&Payment>,
) -> Vec<&'static str> {
    let told = recorded(order);
    let missing = |(kind, times): &(&str, usize)| told.get(kind).is_none_or(|told| told < times);
    expected(order, held, payment).into_iter().filter(missing).map(|(kind, _)| kind).collect()
}
