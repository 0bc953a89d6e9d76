//! The order aggregate: placed once, then changed by events.

use super::{
    placement_limit::ClientDigest,
    quote::{PricingTerms, Quote},
    request::OrderRequest,
    timeline::TimelineEntry,
};
use rialto_contracts::{
    Event, EventContext, Payload,
    orders::{CancelReason, OrderCancelled, OrderConfirmed, OrderPlaced, PlacedLine},
};
use rialto_kernel::{
    Address, Amount, Currency, OrderId, PlantedBug, ProductId, Quantity, SellerId, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub state: OrderState,
    /// The reason of the cancellation, if it is CANCELLED.
    pub reason: Option<CancelReason>,
    pub lines: Vec<OrderLine>,
    pub shipping_fee: Amount,
    pub total: Amount,
    pub currency: Currency,
    pub payment_method: String,
    /// `None` once it was erased.
    pub address: Option<Address>,
    /// Where it was placed from, while it is PENDING: a failed payment is counted for it.
    #[serde(default)]
    pub client: Option<ClientDigest>,
    pub created_at: Timestamp,
    /// The deadline after which no charge is started, and a PENDING order is cancelled.
    pub expires_at: Timestamp,
    pub timeline: Vec<TimelineEntry>,
    /// The buyer is unregistered: the address is erased when the order closes.
    #[serde(default, rename = "buyer_gone")]
    pub buyer_unregistered: bool,
    pub version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    Pending,
    Confirmed,
    Cancelled,
}

/// A text isn't an order state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be PENDING, CONFIRMED or CANCELLED")]
pub struct OrderStateError;

impl OrderState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl std::str::FromStr for OrderState {
    type Err = OrderStateError;
    fn from_str(text: &str) -> Result<Self, OrderStateError> {
        match text {
            "PENDING" => Ok(Self::Pending),
            "CONFIRMED" => Ok(Self::Confirmed),
            "CANCELLED" => Ok(Self::Cancelled),
            _ => Err(OrderStateError),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The line's number within the order, from 1.
    pub line_no: u32,
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    /// The line's price with its part of the shipping fee.
    pub share: Amount,
    pub state: OrderLineState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = LineState)]
pub enum OrderLineState {
    Ordered,
    Cancelled,
}

/// The next version of an order, and the events to publish with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUpdate {
    pub order: Order,
    pub events: Vec<Event>,
}

/// The effect of another service's event on a PENDING order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Recorded in the timeline; the state doesn't change.
    RecordOnly,
    Confirm,
    Cancel(CancelReason),
}

impl Order {
    /// Creates a PENDING order at the quoted price.
    #[must_use]
    pub fn place(
        order_id: OrderId,
        user_id: UserId,
        request: &OrderRequest,
        quote: Quote,
        terms: &PricingTerms,
        now: Timestamp,
        cause: &EventContext,
    ) -> OrderUpdate {
        let lines = quote.lines.into_iter().zip(1..).map(|(line, line_no)| OrderLine {
            line_no,
            product_id: line.product_id,
            seller_id: line.seller_id,
            title: line.title,
            quantity: line.quantity,
            unit_price: line.unit_price,
            share: line.share,
            state: OrderLineState::Ordered,
        });
        let order = Self {
            order_id,
            user_id,
            state: OrderState::Pending,
            reason: None,
            lines: lines.collect(),
            shipping_fee: quote.shipping_fee,
            total: quote.total,
            currency: quote.currency,
            payment_method: request.payment_method.as_str().to_owned(),
            address: Some(request.address.clone()),
            client: None,
            created_at: now,
            expires_at: now.plus(terms.pending_deadline),
            timeline: Vec::new(),
            buyer_unregistered: false,
            version: 1,
        };
        let placed = OrderPlaced {
            order_id,
            user_id,
            lines: order.placed_lines(),
            total: order.total,
            currency: order.currency,
            payment_method: order.payment_method.clone(),
            expires_at: order.expires_at,
        };
        OrderUpdate { order, events: Vec::new() }.emit(&placed, now, cause)
    }

    /// Applies an event of another service; `None` if it was applied before. An event that arrives
    /// after the order left PENDING is only recorded.
    #[must_use]
    pub fn apply(
        &self,
        event: &Event,
        transition: Transition,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<OrderUpdate> {
        let applied = self.timeline.iter().any(|entry| entry.id == event.id);
        if applied && !PlantedBug::EventAppliedTwice.is_planted() {
            return None;
        }
        let late = self.state != OrderState::Pending;
        if late && PlantedBug::LateEventNotRecorded.is_planted() {
            return None;
        }
        let mut order = Self { version: self.version + 1, ..self.clone() };
        order.timeline.push(event.into());
        let change = OrderUpdate { order, events: Vec::new() };
        if late && !PlantedBug::LateEventApplied.is_planted() {
            return Some(change);
        }
        Some(match transition {
            Transition::RecordOnly => change,
            Transition::Confirm => change.confirm(now, cause),
            Transition::Cancel(reason) => change.cancel(reason, now, cause),
        })
    }

    /// Cancels all lines of a PENDING order.
    ///
    /// # Errors
    /// The order's state, if it isn't PENDING.
    pub fn cancel(
        &self,
        reason: CancelReason,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, OrderState> {
        if self.state != OrderState::Pending && !PlantedBug::CancelledInAnyState.is_planted() {
            return Err(self.state);
        }
        let order = Self { version: self.version + 1, ..self.clone() };
        Ok(OrderUpdate { order, events: Vec::new() }.cancel(reason, now, cause))
    }

    /// Marks the buyer as unregistered and erases the address, now if the order is closed, else
    /// when it closes. `None` if the buyer was marked before.
    #[must_use]
    pub fn erase_buyer_data(&self) -> Option<OrderUpdate> {
        let missed = self.is_open() && PlantedBug::OpenOrdersNotMarked.is_planted();
        (!self.buyer_unregistered && !missed).then(|| {
            let order =
                Self { version: self.version + 1, buyer_unregistered: true, ..self.clone() };
            OrderUpdate { order: order.erase_if_closed(), events: Vec::new() }
        })
    }

    fn erase_if_closed(mut self) -> Self {
        if self.buyer_unregistered && self.state == OrderState::Cancelled {
            self.address = None;
        }
        self
    }

    /// The sellers of the open lines, if the order is CONFIRMED.
    #[must_use]
    pub fn sellers_with_open_lines(&self) -> BTreeSet<SellerId> {
        let confirmed = self.state == OrderState::Confirmed;
        let open =
            self.lines.iter().filter(|line| confirmed && line.state == OrderLineState::Ordered);
        open.map(|line| line.seller_id).collect()
    }

    /// Whether the order isn't closed yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != OrderState::Cancelled
    }

    fn placed_lines(&self) -> Vec<PlacedLine> {
        let placed = |line: &OrderLine| PlacedLine {
            line_no: line.line_no,
            product_id: line.product_id,
            seller_id: line.seller_id,
            title: line.title.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            share: line.share,
        };
        self.lines.iter().map(placed).collect()
    }
}

impl OrderUpdate {
    fn confirm(mut self, now: Timestamp, cause: &EventContext) -> Self {
        self.order.state = OrderState::Confirmed;
        self.order.client = None;
        let confirmed = OrderConfirmed {
            order_id: self.order.order_id,
            user_id: self.order.user_id,
            lines: self.order.placed_lines(),
        };
        self.emit(&confirmed, now, cause)
    }

    fn cancel(mut self, reason: CancelReason, now: Timestamp, cause: &EventContext) -> Self {
        self.order.state = OrderState::Cancelled;
        self.order.reason = Some(reason);
        self.order.client = None;
        if !PlantedBug::CancelledLinesLeftOpen.is_planted() {
            for line in &mut self.order.lines {
                line.state = OrderLineState::Cancelled;
            }
        }
        if !PlantedBug::AddressKeptAtCancellation.is_planted() {
            self.order = self.order.erase_if_closed();
        }
        let cancelled =
            OrderCancelled { order_id: self.order.order_id, user_id: self.order.user_id, reason };
        self.emit(&cancelled, now, cause)
    }

    /// Adds an event to the events to publish and to the order's timeline.
    fn emit<P: Payload>(mut self, payload: &P, now: Timestamp, cause: &EventContext) -> Self {
        let index = u8::try_from(self.events.len()).unwrap_or(u8::MAX);
        let event = Event::new(payload, self.order.version, index, now, cause);
        self.order.timeline.push((&event).into());
        if self.order.version == 1 || !PlantedBug::EndNotPublished.is_planted() {
            self.events.push(event);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{confirmed, payment_captured, payment_failure, placed_order, product};

    const LATER: Timestamp = Timestamp::from_millis(2_000);

    fn cancelled(order: &Order, reason: CancelReason) -> Result<Order, OrderState> {
        order.cancel(reason, LATER, &EventContext::default()).map(|change| change.order)
    }

    #[test]
    fn a_captured_payment_confirms_a_pending_order_once() {
        let order = placed_order().order;
        let event = payment_captured(&order, LATER);
        let cause = EventContext { causationid: Some(event.id), ..EventContext::default() };
        let change = order.apply(&event, Transition::Confirm, LATER, &cause).unwrap();
        assert_eq!(change.order.state, OrderState::Confirmed);
        assert_eq!(change.events[0].kind, "OrderConfirmed");
        assert_eq!(change.events[0].causationid, Some(event.id));
        assert_eq!(change.order.timeline.len(), 3);
        assert_eq!(change.order.apply(&event, Transition::Confirm, LATER, &cause), None);
    }

    #[test]
    fn the_clients_digest_is_erased_when_the_order_leaves_pending() {
        let order = placed_order().order;
        assert!(order.client.is_some());
        assert_eq!(confirmed(&order, LATER).order.client, None);
        assert_eq!(payment_failure(&order, LATER).order.client, None);
    }

    #[test]
    fn only_a_pending_order_can_be_cancelled() {
        let order = placed_order().order;
        let change = order.cancel(CancelReason::Buyer, LATER, &EventContext::default()).unwrap();
        assert_eq!(change.order.reason, Some(CancelReason::Buyer));
        assert_eq!(change.events[0].kind, "OrderCancelled");
        assert_eq!(cancelled(&change.order, CancelReason::Buyer), Err(OrderState::Cancelled));
        let confirmed = confirmed(&order, LATER).order;
        assert_eq!(cancelled(&confirmed, CancelReason::Timeout), Err(OrderState::Confirmed));
    }

    #[test]
    fn a_late_event_is_only_recorded() {
        let order = placed_order().order;
        let failed = payment_failure(&order, LATER).order;
        assert_eq!(
            (failed.state, failed.reason),
            (OrderState::Cancelled, Some(CancelReason::PaymentFailed))
        );
        assert!(failed.lines.iter().all(|line| line.state == OrderLineState::Cancelled));

        let event = payment_captured(&order, LATER);
        let late =
            failed.apply(&event, Transition::Confirm, LATER, &EventContext::default()).unwrap();
        assert_eq!(late.order.state, OrderState::Cancelled);
        assert!(late.events.is_empty());
        assert_eq!(late.order.timeline.last().unwrap().kind, "PaymentCaptured");
    }

    #[test]
    fn an_unregistered_buyers_address_is_erased_at_closing() {
        let order = placed_order().order;
        let marked = order.erase_buyer_data().unwrap().order;
        assert!(marked.address.is_some());
        assert_eq!(marked.erase_buyer_data(), None);
        assert_eq!(cancelled(&marked, CancelReason::Timeout).unwrap().address, None);

        let closed = cancelled(&order, CancelReason::Timeout).unwrap();
        assert!(closed.address.is_some());
        assert_eq!(closed.erase_buyer_data().unwrap().order.address, None);
    }

    #[test]
    fn sellers_have_open_lines_once_the_order_is_confirmed() {
        let order = placed_order().order;
        assert!(order.sellers_with_open_lines().is_empty());
        let confirmed = confirmed(&order, LATER).order;
        assert_eq!(confirmed.sellers_with_open_lines(), [product().seller_id].into());
    }

    #[test]
    fn order_placed_events_contain_no_personal_data() {
        let change = placed_order();
        assert_eq!(change.events.len(), 1);
        let published = change.events[0].data.to_string();
        for personal in ["Kim Example", "1 Test Street", "12345", "+491701234567", "ring twice"] {
            assert!(!published.contains(personal), "{personal}");
        }
    }
}
