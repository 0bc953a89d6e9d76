//! The order aggregate: placed once, then changed by events.

use super::{
    keyed_request::RequestRecord,
    line::OrderLine,
    line_deliveries::DeliveryStep,
    line_terms::LineTerms,
    placement_limit::ClientDigest,
    quote::{PricingTerms, Quote},
    request::OrderRequest,
    timeline::{ArchivedTimeline, TimelineEntry},
};
use rialto_contracts::{
    Event, EventContext, Payload,
    orders::{
        CancelReason, CompletedLine, OrderCancelled, OrderCompleted, OrderConfirmed,
        OrderLineState, OrderPlaced, PlacedLine,
    },
};
use rialto_kernel::{Address, Amount, Currency, OrderId, PlantedBug, SellerId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub state: OrderState,
    /// The reason of the cancellation, if it is CANCELLED.
    pub reason: Option<CancelReason>,
    #[serde(with = "super::stored_lines")]
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
    /// `None` if it wasn't confirmed, or by a release that didn't store it.
    #[serde(default)]
    pub confirmed_at: Option<Timestamp>,
    /// The time limits of its lines, as of its placement.
    #[serde(default)]
    pub line_terms: LineTerms,
    /// The newest entries; of a complete timeline, all.
    pub timeline: Vec<TimelineEntry>,
    /// What was moved out of `timeline`.
    #[serde(default, skip_serializing_if = "ArchivedTimeline::is_empty")]
    pub archived: ArchivedTimeline,
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
    /// No line was open any more, and at least one was delivered. Final: returns change its lines.
    Completed,
    Cancelled,
}

/// A text isn't an order state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be PENDING, CONFIRMED, COMPLETED or CANCELLED")]
pub struct OrderStateError;

impl OrderState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Completed => "COMPLETED",
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
            "COMPLETED" => Ok(Self::Completed),
            "CANCELLED" => Ok(Self::Cancelled),
            _ => Err(OrderStateError),
        }
    }
}

/// The next version of an order, and the events to publish with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUpdate {
    pub order: Order,
    pub events: Vec<Event>,
}

/// The effect of another service's event: on a PENDING order, or on a line of a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Recorded in the timeline; the state doesn't change.
    RecordOnly,
    Confirm,
    Cancel(CancelReason),
    /// Delivery has published something about a line.
    Deliver {
        line_no: u32,
        step: DeliveryStep,
    },
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
            part: None,
            delivery_started: false,
            delivered_at: None,
            cancel_request: None,
            return_request: None,
            requests: Vec::new(),
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
            confirmed_at: None,
            line_terms: terms.lines,
            timeline: Vec::new(),
            archived: ArchivedTimeline::default(),
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
    /// too late to change the order or its line is only recorded.
    #[must_use]
    pub fn apply(
        &self,
        event: &Event,
        transition: Transition,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<OrderUpdate> {
        if self.has_recorded(event.id) && !PlantedBug::EventAppliedTwice.is_planted() {
            return None;
        }
        let late = self.state != OrderState::Pending;
        if late && PlantedBug::LateEventNotRecorded.is_planted() {
            return None;
        }
        let mut change = self.next_version();
        change.order.timeline.push(event.into());
        if let Transition::Deliver { line_no, step } = transition {
            return Some(change.apply_delivery(line_no, step, now, cause));
        }
        if late && !PlantedBug::LateEventApplied.is_planted() {
            return Some(change);
        }
        Some(match transition {
            Transition::RecordOnly | Transition::Deliver { .. } => change,
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
        Ok(self.next_version().cancel(reason, now, cause))
    }

    /// The next version, without a change yet.
    pub(super) fn next_version(&self) -> OrderUpdate {
        let order = Self { version: self.version + 1, ..self.clone() };
        OrderUpdate { order, events: Vec::new() }
    }

    /// When it was confirmed, if it was.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<Timestamp> {
        let recorded = || self.timeline.iter().find(|entry| entry.kind == OrderConfirmed::TYPE);
        self.confirmed_at.or_else(|| Some(recorded()?.time))
    }

    /// Whether it is CONFIRMED, or was before it ended.
    #[must_use]
    pub fn was_confirmed(&self) -> bool {
        match self.state {
            OrderState::Pending => false,
            OrderState::Confirmed | OrderState::Completed => true,
            OrderState::Cancelled => self.confirmed_at().is_some(),
        }
    }

    /// Marks the buyer as unregistered and erases the address, now if the order is closed, else
    /// when it closes. `None` if the buyer was marked before.
    #[must_use]
    pub fn erase_buyer_data(&self) -> Option<OrderUpdate> {
        let missed = self.is_open() && PlantedBug::OpenOrdersNotMarked.is_planted();
        (!self.buyer_unregistered && !missed).then(|| {
            let mut change = self.next_version();
            change.order.buyer_unregistered = true;
            change.erase_if_closed()
        })
    }

    /// The request about a line that had the same Idempotency-Key.
    #[must_use]
    pub fn request_with_key_of(&self, record: &RequestRecord) -> Option<&RequestRecord> {
        let mut requests = self.lines.iter().flat_map(|line| &line.requests);
        requests.find(|earlier| earlier.has_key_of(record))
    }

    /// The sellers of the open lines, once the order is confirmed.
    #[must_use]
    pub fn sellers_with_open_lines(&self) -> BTreeSet<SellerId> {
        let confirmed = self.state != OrderState::Pending;
        let open = self.lines.iter().filter(|line| confirmed && line.is_open());
        open.map(|line| line.seller_id).collect()
    }

    /// Whether the order or a line of it isn't closed yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.state {
            OrderState::Pending | OrderState::Confirmed => true,
            OrderState::Completed | OrderState::Cancelled => {
                self.lines.iter().any(OrderLine::is_open)
            }
        }
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
        self.order.confirmed_at = Some(now);
        self.order.client = None;
        let confirmed = OrderConfirmed {
            order_id: self.order.order_id,
            user_id: self.order.user_id,
            lines: self.order.placed_lines(),
        };
        self.emit(&confirmed, now, cause)
    }

    fn cancel(mut self, reason: CancelReason, now: Timestamp, cause: &EventContext) -> Self {
        self.order.client = None;
        if !PlantedBug::CancelledLinesLeftOpen.is_planted() {
            for line in &mut self.order.lines {
                line.state = OrderLineState::Cancelled;
            }
        }
        self.close_cancelled(reason, now, cause)
    }

    /// Closes the order, whose lines have ended, as CANCELLED.
    pub(super) fn close_cancelled(
        mut self,
        reason: CancelReason,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        self.order.state = OrderState::Cancelled;
        self.order.reason = Some(reason);
        if !PlantedBug::AddressKeptAtCancellation.is_planted() {
            self = self.erase_if_closed();
        }
        let cancelled =
            OrderCancelled { order_id: self.order.order_id, user_id: self.order.user_id, reason };
        self.emit(&cancelled, now, cause)
    }

    /// Closes the order, whose lines have ended, as COMPLETED.
    pub(super) fn complete(mut self, now: Timestamp, cause: &EventContext) -> Self {
        self.order.state = OrderState::Completed;
        let lines = self.order.lines.iter().map(|line| CompletedLine {
            line_no: line.line_no,
            product_id: line.product_id,
            quantity: line.quantity,
            state: line.state,
        });
        let completed = OrderCompleted {
            order_id: self.order.order_id,
            user_id: self.order.user_id,
            lines: lines.collect(),
        };
        self.erase_if_closed().emit(&completed, now, cause)
    }

    /// Erases the personal data of a closed order whose buyer is unregistered.
    pub(super) fn erase_if_closed(mut self) -> Self {
        if self.order.buyer_unregistered && !self.order.is_open() {
            self.order.address = None;
            self.order.lines.iter_mut().for_each(OrderLine::erase_reasons);
        }
        self
    }

    /// Adds an event to the events to publish and to the order's timeline.
    pub(super) fn emit<P: Payload>(
        mut self,
        payload: &P,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        let event = self.next_event(payload, now, cause);
        self.order.timeline.push((&event).into());
        if self.order.version == 1 || !PlantedBug::EndNotPublished.is_planted() {
            self.events.push(event);
        }
        self
    }

    /// Adds an event to the events to publish that says again what the timeline has.
    pub(super) fn emit_again<P: Payload>(
        mut self,
        payload: &P,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        let event = self.next_event(payload, now, cause);
        self.events.push(event);
        self
    }

    fn next_event<P: Payload>(&self, payload: &P, now: Timestamp, cause: &EventContext) -> Event {
        let index = u8::try_from(self.events.len()).unwrap_or(u8::MAX);
        Event::new(payload, self.order.version, index, now, cause)
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
    fn orders_of_the_first_release_know_when_they_were_confirmed() {
        let mut order = confirmed(&placed_order().order, LATER).order;
        assert_eq!(order.confirmed_at, Some(LATER));
        order.confirmed_at = None;
        assert_eq!(order.confirmed_at(), Some(LATER));
        assert_eq!(placed_order().order.confirmed_at(), None);
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
