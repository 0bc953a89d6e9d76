//! Orders in progress, and what they are waiting for.

#[cfg(test)]
mod tests;

use crate::{
    dead_letters::{DeadLetter, Source},
    reconcile::{Snapshot, expected_events::missing},
};
use rialto_contracts::{
    Payload,
    delivery::Delivery,
    inventory::Inventory,
    orders::{
        OrderLineCancelRequested, OrderLineCancelled, OrderLineRejected, OrderLineReturned,
        OrderLineState, Orders,
    },
    payments::Payments,
};
use rialto_delivery::domain::delivery::LineDelivery;
use rialto_inventory::domain::{
    reservation::{Reservation, ReservationOutcome},
    reserved_line::LineState,
};
use rialto_kernel::{OrderId, Timestamp};
use rialto_orders::domain::order::{Order, OrderState};
use rialto_payments::domain::{
    payment::{Payment, PaymentState},
    refund::Refund,
};
use std::{collections::BTreeMap, fmt, time::Duration};

/// A condition that must be met before an order, its stock and its payment are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A consumer must process an event.
    Event { kind: &'static str, consumer: &'static str },
    /// The buyer must authenticate the payment, or may pay again.
    Buyer,
    /// The payment provider must settle a charge or refund.
    Provider(&'static str),
}

/// An order that has been in progress for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) order: OrderId,
    pub(crate) state: &'static str,
    /// The time of the order's last event.
    pub(crate) since: Timestamp,
    pub(crate) wait: Wait,
    /// The order's deadline has passed.
    pub(crate) overdue: bool,
}

/// Orders in progress for longer than `older`, or past their deadline; the longest first.
pub(crate) fn stuck(snapshot: &Snapshot, now: Timestamp, older: Duration) -> Vec<Stuck> {
    let reservations: BTreeMap<_, _> =
        snapshot.reservations.iter().map(|held| (held.order_id, held)).collect();
    let payments: BTreeMap<_, _> =
        snapshot.payments.iter().map(|payment| (payment.order_id, payment)).collect();
    let mut stuck = Vec::new();
    for order in &snapshot.orders {
        let deliveries = deliveries_of(snapshot, order.order_id);
        let id = order.order_id;
        let since = order.timeline.iter().map(|entry| entry.time).max().unwrap_or(order.created_at);
        let overdue = order.state == OrderState::Pending && order.expires_at <= now;
        if !overdue && now.since(since) <= older {
            continue;
        }
        for wait in
            waits(order, reservations.get(&id).copied(), payments.get(&id).copied(), &deliveries)
        {
            stuck.push(Stuck { order: id, state: order.state.as_str(), since, wait, overdue });
        }
    }
    stuck.sort_by_key(|stuck| stuck.since);
    stuck
}

/// Everything that an order is waiting for.
pub(crate) fn waiting_for(snapshot: &Snapshot, id: OrderId) -> Vec<Wait> {
    let held = snapshot.reservations.iter().find(|held| held.order_id == id);
    let payment = snapshot.payments.iter().find(|payment| payment.order_id == id);
    let order = snapshot.orders.iter().find(|order| order.order_id == id);
    let deliveries = deliveries_of(snapshot, id);
    order.map(|order| waits(order, held, payment, &deliveries)).unwrap_or_default()
}

fn deliveries_of(snapshot: &Snapshot, order: OrderId) -> Vec<&LineDelivery> {
    snapshot.deliveries.iter().filter(|delivery| delivery.order_id == order).collect()
}

fn waits(
    order: &Order,
    held: Option<&Reservation>,
    payment: Option<&Payment>,
    deliveries: &[&LineDelivery],
) -> Vec<Wait> {
    let mut waits = match order.state {
        OrderState::Pending => vec![pending(held, payment)],
        OrderState::Confirmed | OrderState::Completed => confirmed(held),
        OrderState::Cancelled => cancelled(held, payment),
    };
    let is_refunding = |payment: &Payment| payment.refunds.iter().any(Refund::is_open);
    if payment.is_some_and(is_refunding) {
        waits.push(Wait::Provider("a refund"));
    }
    let lines = if order.was_confirmed() { lines(order, held, payment) } else { Vec::new() };
    for wait in lines.into_iter().chain(unprocessed_events(order, held, payment, deliveries)) {
        if !waits.contains(&wait) {
            waits.push(wait);
        }
    }
    waits
}

/// What the lines of an order that was confirmed are waiting for.
fn lines(order: &Order, held: Option<&Reservation>, payment: Option<&Payment>) -> Vec<Wait> {
    let mut waits = Vec::new();
    for line in &order.lines {
        let kind = match line.state {
            OrderLineState::Rejected => OrderLineRejected::TYPE,
            OrderLineState::Cancelled => OrderLineCancelled::TYPE,
            OrderLineState::Returned => OrderLineReturned::TYPE,
            OrderLineState::Canceling => {
                if line.cancel_request.is_some_and(|request| request.held_at.is_none()) {
                    let kind = OrderLineCancelRequested::TYPE;
                    waits.push(Wait::Event { kind, consumer: "delivery-on-orders" });
                }
                continue;
            }
            _ => continue,
        };
        let holds_stock = held.is_some_and(|held| {
            held.lines.iter().any(|held| {
                held.line_no == line.line_no
                    && matches!(held.state, LineState::Reserved | LineState::Sold)
            })
        });
        if holds_stock {
            waits.push(Wait::Event { kind, consumer: "inventory-on-orders" });
        }
        let compensated =
            payment.is_some_and(|payment| payment.compensated_lines.contains(&line.line_no));
        if !compensated {
            waits.push(Wait::Event { kind, consumer: "payments-on-orders" });
        }
    }
    waits
}

/// Events that orders hasn't processed, whether or not they change its state.
fn unprocessed_events(
    order: &Order,
    held: Option<&Reservation>,
    payment: Option<&Payment>,
    deliveries: &[&LineDelivery],
) -> Vec<Wait> {
    let missing = missing(order, held, payment, deliveries).into_iter();
    missing
        .filter_map(|kind| Some(Wait::Event { kind, consumer: processed_by_orders(kind)? }))
        .collect()
}

/// The consumer of orders that processes another service's event. `None` for orders' own events.
fn processed_by_orders(kind: &str) -> Option<&'static str> {
    match kind {
        _ if is_one_of(Delivery::EVENTS, kind) => Some("orders-on-delivery"),
        _ if is_one_of(Inventory::EVENTS, kind) => Some("orders-on-inventory"),
        _ if is_one_of(Payments::EVENTS, kind) => Some("orders-on-payments"),
        _ if is_one_of(Delivery::EVENTS, kind) => Some("orders-on-delivery"),
        _ => None,
    }
}

fn is_one_of(events: &[(&str, u32)], kind: &str) -> bool {
    events.iter().any(|(name, _)| *name == kind)
}

fn pending(held: Option<&Reservation>, payment: Option<&Payment>) -> Wait {
    let event = |kind, consumer| Wait::Event { kind, consumer };
    match (held.map(|held| held.outcome), payment.map(|payment| payment.state)) {
        (None, _) => event("OrderPlaced", "inventory-on-orders"),
        (Some(ReservationOutcome::Rejected), _) => event("StockRejected", "orders-on-inventory"),
        // The sweep takes a further attempt to the provider.
        (Some(_), Some(PaymentState::Pending))
            if payment.is_some_and(|payment| payment.attempt() > 1) =>
        {
            Wait::Provider("the charge")
        }
        (Some(_), None | Some(PaymentState::Pending)) => {
            event("StockReserved", "payments-on-inventory")
        }
        (Some(_), Some(PaymentState::Processing)) => Wait::Provider("the charge"),
        (Some(_), Some(PaymentState::RequiresAction)) => Wait::Buyer,
        _ if payment.is_some_and(|payment| payment.retry_until.is_some()) => Wait::Buyer,
        (Some(_), Some(PaymentState::Failed)) => event("PaymentFailed", "orders-on-payments"),
        (Some(_), Some(_)) => event("PaymentCaptured", "orders-on-payments"),
    }
}

fn confirmed(held: Option<&Reservation>) -> Vec<Wait> {
    let waiting =
        held.is_some_and(|held| held.lines.iter().any(|line| line.state == LineState::Reserved));
    let wait = Wait::Event { kind: "OrderConfirmed", consumer: "inventory-on-orders" };
    if waiting { vec![wait] } else { Vec::new() }
}

fn cancelled(held: Option<&Reservation>, payment: Option<&Payment>) -> Vec<Wait> {
    let mut waits = Vec::new();
    let not_returned = |held: &Reservation| {
        held.lines.iter().any(|line| matches!(line.state, LineState::Reserved | LineState::Sold))
    };
    if held.is_none_or(not_returned) {
        waits.push(Wait::Event { kind: "OrderCancelled", consumer: "inventory-on-orders" });
    }
    let pending = Wait::Event { kind: "OrderCancelled", consumer: "payments-on-orders" };
    match payment {
        None => waits.push(pending),
        Some(payment) if payment.is_charging() && payment.cancel_requested => {
            waits.push(Wait::Provider("the charge"));
        }
        Some(payment)
            if payment.state == PaymentState::Pending
                || payment.is_charging()
                || payment.retry_until.is_some() =>
        {
            waits.push(pending);
        }
        Some(payment) if payment.state == PaymentState::Captured && payment.refunds.is_empty() => {
            waits.push(pending);
        }
        _ => {}
    }
    waits
}

impl Wait {
    /// The dead letter that is waited for, if any.
    pub(crate) fn dead<'a>(
        &self,
        order: OrderId,
        letters: &'a [DeadLetter],
    ) -> Option<&'a DeadLetter> {
        let Self::Event { kind, consumer } = self else {
            return None;
        };
        letters.iter().find(|letter| {
            let on_the_way = match &letter.source {
                Source::Consumer(dead) => dead == consumer,
                Source::Outbox(_) => true,
                Source::Rule => {
                    letter.marks.target.as_ref().is_some_and(|target| target.ends_with(consumer))
                }
            };
            on_the_way && letter.has_type(kind) && letter.concerns(&order.to_string())
        })
    }
}

impl Stuck {
    /// Advice for the operator.
    pub(crate) fn advice(&self, letters: &[DeadLetter]) -> String {
        let order = self.order;
        if let Some(letter) = self.wait.dead(order, letters) {
            return format!(
                "it is a dead letter of {}: rialto dlq redrive --order {order} --yes",
                letter.source
            );
        }
        match &self.wait {
            _ if self.overdue => {
                "its deadline has passed: see the log of orders-sweep for why it isn't cancelled"
                    .to_owned()
            }
            Wait::Event { kind, consumer } => {
                let resend =
                    format!("if the event is lost, rialto outbox resend --order {order} --yes");
                let still = match is_one_of(Orders::EVENTS, kind) {
                    true => "",
                    // Events that move the order are in transit while the order waits.
                    false => ", while it is listed here; afterwards only the timeline lacks it",
                };
                format!("no dead letter has it: see the log of {consumer}; {resend}{still}")
            }
            Wait::Buyer => {
                "nothing is wrong before its deadline, when the payment and the order end"
                    .to_owned()
            }
            Wait::Provider(_) => {
                "see the log of payments and the payment at the provider (the payment's intent_id)"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { kind, consumer } => write!(f, "{kind} to be processed by {consumer}"),
            Self::Buyer => f.write_str("the buyer to authenticate the payment, or to pay again"),
            Self::Provider(what) => write!(f, "the provider to settle {what}"),
        }
    }
}
