//! An order: placed once, then moved by what it hears.

use super::{
    quote::{PricingTerms, Quote},
    request::OrderRequest,
    timeline::TimelineEntry,
};
use rialto_contracts::{
    Event, EventContext, Payload,
    orders::{CancelReason, OrderCancelled, OrderConfirmed, OrderPlaced, PlacedLine},
};
use rialto_kernel::{
    Address, Amount, Currency, OrderId, ProductId, Quantity, SellerId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub state: OrderState,
    /// Why it was cancelled, if it was.
    pub reason: Option<CancelReason>,
    pub lines: Vec<Line>,
    pub shipping_fee: Amount,
    pub total: Amount,
    pub currency: Currency,
    pub payment_method: String,
    /// None once it is forgotten.
    pub address: Option<Address>,
    pub created_at: Timestamp,
    /// After this no charge is begun, and a PENDING order is cancelled.
    pub expires_at: Timestamp,
    pub timeline: Vec<TimelineEntry>,
    /// The buyer is unregistered: the address goes when the order ends.
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

/// Why a text is no state.
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
pub struct Line {
    /// From 1.
    pub line_no: u32,
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    /// The line's price with its part of the shipping fee.
    pub share: Amount,
    pub state: LineState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineState {
    Ordered,
    Cancelled,
}

/// A write: the order as it will be, and what is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUpdate {
    pub order: Order,
    pub events: Vec<Event>,
}

/// What an event of another service does to a PENDING order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It is only told in the timeline.
    RecordOnly,
    Confirm,
    Cancel(CancelReason),
}

impl Order {
    /// A new order, PENDING, at the quoted price.
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
        let lines = quote.lines.into_iter().zip(1..).map(|(line, line_no)| Line {
            line_no,
            product_id: line.product_id,
            seller_id: line.seller_id,
            title: line.title,
            quantity: line.quantity,
            unit_price: line.unit_price,
            share: line.share,
            state: LineState::Ordered,
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

    /// What hearing `event` leads to; nothing if it was heard before. Only a PENDING order is moved: on any other the
    /// event is late, and only told.
    #[must_use]
    pub fn apply(
        &self,
        event: &Event,
        effect: Transition,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<OrderUpdate> {
        if self.timeline.iter().any(|entry| entry.id == event.id) {
            return None;
        }
        let mut order = Self { version: self.version + 1, ..self.clone() };
        order.timeline.push(event.into());
        let change = OrderUpdate { order, events: Vec::new() };
        if self.state != OrderState::Pending {
            return Some(change);
        }
        Some(match effect {
            Transition::RecordOnly => change,
            Transition::Confirm => change.confirm(now, cause),
            Transition::Cancel(reason) => change.cancel(reason, now, cause),
        })
    }

    /// Cancels a PENDING order as a whole.
    ///
    /// # Errors
    /// The state that doesn't allow it.
    pub fn cancel(
        &self,
        reason: CancelReason,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, OrderState> {
        if self.state != OrderState::Pending {
            return Err(self.state);
        }
        let order = Self { version: self.version + 1, ..self.clone() };
        Ok(OrderUpdate { order, events: Vec::new() }.cancel(reason, now, cause))
    }

    /// The buyer is unregistered: the address goes now if the order has ended, or else when it does. Nothing if that is known.
    #[must_use]
    pub fn erase_buyer_data(&self) -> Option<OrderUpdate> {
        (!self.buyer_unregistered).then(|| {
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

    /// The sellers who have something to do in it: those of its open lines, once it is CONFIRMED. Each once.
    #[must_use]
    pub fn sellers_with_open_lines(&self) -> BTreeSet<SellerId> {
        let confirmed = self.state == OrderState::Confirmed;
        let open = self.lines.iter().filter(|line| confirmed && line.state == LineState::Ordered);
        open.map(|line| line.seller_id).collect()
    }

    /// Whether it still goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != OrderState::Cancelled
    }

    fn placed_lines(&self) -> Vec<PlacedLine> {
        let placed = |line: &Line| PlacedLine {
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
        for line in &mut self.order.lines {
            line.state = LineState::Cancelled;
        }
        self.order = self.order.erase_if_closed();
        let cancelled =
            OrderCancelled { order_id: self.order.order_id, user_id: self.order.user_id, reason };
        self.emit(&cancelled, now, cause)
    }

    /// Adds an event to what the write announces, and to the order's own timeline.
    fn emit<P: Payload>(mut self, payload: &P, now: Timestamp, cause: &EventContext) -> Self {
        let index = u8::try_from(self.events.len()).unwrap_or(u8::MAX);
        let event = Event::new(payload, self.order.version, index, now, cause);
        self.order.timeline.push((&event).into());
        self.events.push(event);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use rialto_contracts::payments::{PaymentCaptured, PaymentFailed};
    use rialto_kernel::PaymentId;

    const LATER: Timestamp = Timestamp::from_millis(2_000);

    fn captured(order: &Order) -> Event {
        let payload = PaymentCaptured {
            order_id: order.order_id,
            payment_id: PaymentId::derive(&[b"p"]),
            amount: order.total,
        };
        Event::new(&payload, 3, 0, LATER, &EventContext::default())
    }

    fn failed(order: &Order) -> Event {
        let payload =
            PaymentFailed { order_id: order.order_id, reason: "card_declined".to_owned() };
        Event::new(&payload, 3, 0, LATER, &EventContext::default())
    }

    #[test]
    fn a_payment_confirms_a_pending_order_once() {
        let order = testing::order().order;
        let event = captured(&order);
        let cause = EventContext { causationid: Some(event.id), ..EventContext::default() };
        let change = order.apply(&event, Transition::Confirm, LATER, &cause).unwrap();
        assert_eq!(change.order.state, OrderState::Confirmed);
        assert_eq!(change.events[0].kind, "OrderConfirmed");
        assert_eq!(change.events[0].causationid, Some(event.id));
        assert_eq!(change.order.timeline.len(), 3);
        assert_eq!(change.order.apply(&event, Transition::Confirm, LATER, &cause), None);
    }

    #[test]
    fn only_a_pending_order_is_cancelled_as_a_whole() {
        let order = testing::order().order;
        let cause = EventContext::default();
        let cancelled = order.cancel(CancelReason::Buyer, LATER, &cause).unwrap();
        assert_eq!(cancelled.order.reason, Some(CancelReason::Buyer));
        assert_eq!(cancelled.events[0].kind, "OrderCancelled");
        assert_eq!(
            cancelled.order.cancel(CancelReason::Buyer, LATER, &cause),
            Err(OrderState::Cancelled)
        );
        let confirmed =
            order.apply(&captured(&order), Transition::Confirm, LATER, &cause).unwrap().order;
        assert_eq!(
            confirmed.cancel(CancelReason::Timeout, LATER, &cause),
            Err(OrderState::Confirmed)
        );
    }

    #[test]
    fn a_late_event_is_told_and_moves_nothing() {
        let order = testing::order().order;
        let cause = EventContext::default();
        let reason = CancelReason::PaymentFailed;
        let cancelled =
            order.apply(&failed(&order), Transition::Cancel(reason), LATER, &cause).unwrap().order;
        assert_eq!((cancelled.state, cancelled.reason), (OrderState::Cancelled, Some(reason)));
        assert!(cancelled.lines.iter().all(|line| line.state == LineState::Cancelled));

        let late = cancelled.apply(&captured(&order), Transition::Confirm, LATER, &cause).unwrap();
        assert_eq!(late.order.state, OrderState::Cancelled);
        assert!(late.events.is_empty());
        assert_eq!(late.order.timeline.last().unwrap().kind, "PaymentCaptured");
    }

    #[test]
    fn an_unregistered_buyers_address_goes_when_the_order_ends() {
        let order = testing::order().order;
        let told = order.erase_buyer_data().unwrap().order;
        assert!(told.address.is_some());
        assert_eq!(told.erase_buyer_data(), None);
        let ended =
            told.cancel(CancelReason::Timeout, LATER, &EventContext::default()).unwrap().order;
        assert_eq!(ended.address, None);

        let ended =
            order.cancel(CancelReason::Timeout, LATER, &EventContext::default()).unwrap().order;
        assert!(ended.address.is_some());
        assert_eq!(ended.erase_buyer_data().unwrap().order.address, None);
    }

    #[test]
    fn a_seller_has_something_to_do_from_confirmed_on() {
        let order = testing::order().order;
        assert!(order.sellers_with_open_lines().is_empty());
        let confirmed = order
            .apply(&captured(&order), Transition::Confirm, LATER, &EventContext::default())
            .unwrap();
        assert_eq!(
            confirmed.order.sellers_with_open_lines(),
            [testing::product().seller_id].into()
        );
    }

    #[test]
    fn a_placed_order_announces_its_lines_without_anything_personal() {
        let change = testing::order();
        assert_eq!(change.events.len(), 1);
        let published = change.events[0].data.to_string();
        for personal in ["Kim Example", "1 Test Street", "12345", "+491701234567"] {
            assert!(!published.contains(personal), "{personal}");
        }
    }
}
