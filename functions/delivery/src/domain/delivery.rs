//! The delivery of a line of an order.

use super::{line_change::LineChange, parcel::Parcel};
use rialto_contracts::{Event, orders::PlacedLine};
use rialto_kernel::{
    DeliveryId, ETag, EventId, OrderId, ParcelId, ProductId, Quantity, SellerId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// The lines that an order can have, with the parts that were split off.
pub const MAX_LINES: u32 = 40;

/// How long the cancellation of an order that wasn't confirmed is known: longer than the
/// confirmation can stay in a queue and, after a redrive, in a dead-letter queue (14 days each).
pub const CANCELLED_ORDER_RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The id of a line's delivery.
#[must_use]
pub fn delivery_id(order: OrderId, line_no: u32) -> DeliveryId {
    DeliveryId::derive(&[order.to_string().as_bytes(), &line_no.to_be_bytes()])
}

/// The delivery of a line, or of a part that was split off one. It contains no personal data: who
/// receives it is known to orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineDelivery {
    pub delivery_id: DeliveryId,
    pub order_id: OrderId,
    pub line_no: u32,
    /// The number of the line as it was placed, of which this one is a part.
    pub root: u32,
    pub user_id: UserId,
    pub seller_id: SellerId,
    pub product_id: ProductId,
    pub title: String,
    /// The pieces that the line was placed or split off with.
    pub initial_quantity: Quantity,
    pub quantity: Quantity,
    pub state: DeliveryState,
    /// The seller has accepted the line.
    pub accepted: bool,
    /// `None` until it is DELIVERING.
    #[serde(default)]
    pub shipment: Option<Shipment>,
    #[serde(default)]
    pub delivered_at: Option<Timestamp>,
    /// The time at which the sweep takes it further, while it is DELIVERING or DELIVERED.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// The events that requested the line's cancellation. Each gets one response.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub answered_requests: BTreeSet<EventId>,
    pub version: u64,
}

/// How the pieces are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// The parcel that they are in, if the seller sent several lines in one.
    #[serde(default)]
    pub parcel_id: Option<ParcelId>,
    pub carrier: String,
    pub tracking_number: String,
    pub started_at: Timestamp,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryState {
    /// It can start once the line is accepted.
    Prepared,
    /// The buyer has requested to cancel the line: it can't start.
    Held,
    /// The pieces are with a carrier.
    Delivering,
    Delivered,
    /// The buyer has confirmed the receipt.
    Confirmed,
    /// It never started.
    Cancelled,
}

impl DeliveryState {
    /// Whether the pieces were handed to a carrier.
    #[must_use]
    pub const fn has_started(self) -> bool {
        matches!(self, Self::Delivering | Self::Delivered | Self::Confirmed)
    }

    /// Whether nothing changes it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Confirmed | Self::Cancelled)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "PREPARED",
            Self::Held => "HELD",
            Self::Delivering => "DELIVERING",
            Self::Delivered => "DELIVERED",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// A delivery can't be changed as requested in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not possible for a delivery that is {}", .0.as_str())]
pub struct IllegalDeliveryTransition(pub DeliveryState);

/// The times after which the sweep takes a delivery further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryDeadlines {
    /// From DELIVERING to DELIVERED.
    pub delivery: Duration,
    /// From DELIVERED to CONFIRMED.
    pub receipt: Duration,
}

impl LineDelivery {
    /// The delivery of a confirmed order's line.
    #[must_use]
    pub fn prepare(order_id: OrderId, user_id: UserId, line: &PlacedLine, now: Timestamp) -> Self {
        Self {
            delivery_id: delivery_id(order_id, line.line_no),
            order_id,
            line_no: line.line_no,
            root: line.line_no,
            user_id,
            seller_id: line.seller_id,
            product_id: line.product_id,
            title: line.title.clone(),
            initial_quantity: line.quantity,
            quantity: line.quantity,
            state: DeliveryState::Prepared,
            accepted: false,
            shipment: None,
            delivered_at: None,
            due_at: None,
            created_at: now,
            answered_requests: BTreeSet::new(),
            version: 1,
        }
    }

    /// The entity tag: of what its seller can change.
    #[must_use]
    pub fn etag(&self) -> ETag {
        let shipment = self.shipment.as_ref();
        let sent_by = shipment.map(|shipment| (&shipment.carrier, &shipment.tracking_number));
        ETag::of(&(self.state, sent_by))
    }

    /// Whether it is the result of this attempted write, or of later ones after that. The times of
    /// the shipment and of its arrival are those of their writes.
    #[must_use]
    pub fn contains_write(&self, attempted: &Self) -> bool {
        let delivered = attempted.delivered_at.is_none_or(|at| self.delivered_at == Some(at));
        let later = self.version > attempted.version && self.shipment == attempted.shipment;
        self == attempted || (later && delivered && !attempted.state.is_final())
    }

    /// The parcel that it is in.
    #[must_use]
    pub fn parcel_id(&self) -> Option<ParcelId> {
        self.shipment.as_ref().and_then(|shipment| shipment.parcel_id)
    }
}

/// What is known of an order's lines before its OrderConfirmed arrives. It is stored under the key
/// of the delivery that it is about: changes of a line and its parts under the line as it was
/// placed, the order's cancellation under its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedDelivery {
    pub delivery_id: DeliveryId,
    pub order_id: OrderId,
    /// When the order's cancellation arrived, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_cancelled_at: Option<Timestamp>,
    /// One for each line and kind.
    pub early: Vec<LineChange>,
    pub version: u64,
}

impl ExpectedDelivery {
    #[must_use]
    pub const fn new(delivery_id: DeliveryId, order_id: OrderId) -> Self {
        Self { delivery_id, order_id, order_cancelled_at: None, early: Vec::new(), version: 0 }
    }

    /// Adds a change; `None` if it is known.
    #[must_use]
    pub fn with_change(&self, change: &LineChange) -> Option<Self> {
        let mut next = Self { version: self.version + 1, ..self.clone() };
        let same = |known: &&mut LineChange| {
            known.kind == change.kind && known.line.line_no == change.line.line_no
        };
        match next.early.iter_mut().find(same) {
            Some(known) if known.line.splits.len() >= change.line.splits.len() => return None,
            Some(known) => *known = change.clone(),
            None => next.early.push(change.clone()),
        }
        Some(next)
    }

    /// Records that the order is cancelled; `None` if it is known.
    #[must_use]
    pub fn with_cancelled_order(&self, now: Timestamp) -> Option<Self> {
        self.order_cancelled_at.is_none().then(|| Self {
            order_cancelled_at: Some(now),
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// When it may be deleted. An order that was cancelled while it was PENDING is never confirmed.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        Some(self.order_cancelled_at?.plus(CANCELLED_ORDER_RETENTION))
    }
}

/// What is stored under a delivery's key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "almost all are prepared")]
pub enum DeliveryRecord {
    /// The order's OrderConfirmed hasn't arrived yet.
    Expected(ExpectedDelivery),
    Prepared(LineDelivery),
}

impl DeliveryRecord {
    #[must_use]
    pub const fn delivery_id(&self) -> DeliveryId {
        match self {
            Self::Expected(expected) => expected.delivery_id,
            Self::Prepared(delivery) => delivery.delivery_id,
        }
    }

    #[must_use]
    pub const fn version(&self) -> u64 {
        match self {
            Self::Expected(expected) => expected.version,
            Self::Prepared(delivery) => delivery.version,
        }
    }

    /// The delivery, if the order was confirmed.
    #[must_use]
    pub fn into_delivery(self) -> Option<LineDelivery> {
        match self {
            Self::Expected(_) => None,
            Self::Prepared(delivery) => Some(delivery),
        }
    }
}

/// A record to store with its events. The stored version is the previous one; there is none before
/// version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryWrite {
    pub record: DeliveryRecord,
    pub events: Vec<Event>,
}

/// One write: every record and every parcel, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryUpdate {
    pub deliveries: Vec<DeliveryWrite>,
    /// The next versions of parcels.
    pub parcels: Vec<Parcel>,
}

impl From<ExpectedDelivery> for DeliveryUpdate {
    fn from(expected: ExpectedDelivery) -> Self {
        let record = DeliveryRecord::Expected(expected);
        Self { deliveries: vec![DeliveryWrite { record, events: Vec::new() }], parcels: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::line_change::LineChangeKind,
        fixtures::{confirmed_order, line, line_change, order_id, split},
    };
    use rialto_contracts::orders::OrderLineState;

    fn expected() -> ExpectedDelivery {
        ExpectedDelivery::new(delivery_id(order_id(), 1), order_id())
    }

    #[test]
    fn an_early_change_is_recorded_once() {
        let change = line_change(line(1, 4, &[]), LineChangeKind::Accepted);
        let once = expected().with_change(&change).unwrap();
        assert_eq!((once.version, once.early.len()), (1, 1));
        assert_eq!(once.with_change(&change), None);
        let part = LineChange { line: line(2, 1, &[split(2, 1, 1)]), ..change };
        assert_eq!(once.with_change(&part).unwrap().early.len(), 2);
    }

    #[test]
    fn an_early_change_with_more_splits_replaces_the_known_one() {
        let kind = LineChangeKind::CancelRequested;
        let first = line_change(line(1, 4, &[]), kind);
        let again = line_change(line(1, 3, &[split(2, 1, 1)]), kind);
        let known = expected().with_change(&first).unwrap().with_change(&again).unwrap();
        assert_eq!(known.early, [again]);
        assert_eq!(known.with_change(&first), None);
    }

    #[test]
    fn an_early_cancellation_of_the_order_is_recorded_once() {
        let (first, later) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        assert_eq!(expected().expires_at(), None);
        let cancelled = expected().with_cancelled_order(first).unwrap();
        assert_eq!(cancelled.order_cancelled_at, Some(first));
        assert_eq!(cancelled.expires_at(), Some(first.plus(CANCELLED_ORDER_RETENTION)));
        assert_eq!(cancelled.with_cancelled_order(later), None);
    }

    #[test]
    fn the_etag_covers_what_the_seller_can_change() {
        let order = confirmed_order(order_id(), &[2]);
        let now = Timestamp::from_millis(1);
        let prepared = LineDelivery::prepare(order_id(), order.user_id, &order.lines[0], now);
        let accepted = LineDelivery { accepted: true, version: 2, ..prepared.clone() };
        assert_eq!(accepted.etag(), prepared.etag());
        let (carrier, tracking_number) = ("DHL".to_owned(), "1".to_owned());
        let shipment = Shipment { parcel_id: None, carrier, tracking_number, started_at: now };
        let state = DeliveryState::Delivering;
        let sent = LineDelivery { state, shipment: Some(shipment), ..accepted };
        assert_ne!(sent.etag(), prepared.etag());
        let delivered = LineDelivery { state: DeliveryState::Delivered, ..sent.clone() };
        assert_ne!(delivered.etag(), sent.etag());
    }

    #[test]
    fn an_expected_delivery_is_small_at_most() {
        let kinds = [
            LineChangeKind::Accepted,
            LineChangeKind::Rejected,
            LineChangeKind::CancelRequested,
            LineChangeKind::Cancelled,
            LineChangeKind::Split,
        ];
        // A line as placed has ten parts at most.
        let splits: Vec<_> = (21..=30).map(|part| split(part, 1, 99)).collect();
        let lines = std::iter::once(1).chain(21..=30).map(|number| line(number, 999, &splits));
        let mut known = expected();
        for line in lines {
            for kind in kinds {
                known = known.with_change(&line_change(line.clone(), kind)).unwrap();
            }
        }
        let size = serde_json::to_string(&known).unwrap().len();
        assert!(size < 100_000, "{size}");
    }

    #[test]
    fn ids_differ_by_order_and_line() {
        let other = OrderId::derive(&[b"other"]);
        assert_eq!(delivery_id(order_id(), 1), delivery_id(order_id(), 1));
        assert_ne!(delivery_id(order_id(), 1), delivery_id(order_id(), 2));
        assert_ne!(delivery_id(order_id(), 1), delivery_id(other, 1));
        assert_eq!(split(2, 1, 1).state, OrderLineState::Ordered);
    }
}
