//! Reservations: the stock held for an order, line by line.

use super::{
    movement::{Movement, MovementCause},
    reserved_line::{LineEnd, LineState, LineTransition, ReservedLine},
};
use rialto_contracts::{
    Event, EventContext,
    inventory::{ReleasedLine, Shortage, StockRejected, StockReleased, StockReserved},
    orders::{LineMismatch, LineSnapshot, OrderPlaced, apply_splits},
};
use rialto_kernel::{MovementId, OrderId, PlantedBug, ProductId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The stock held for an order. Later events release or sell these quantities, never their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub order_id: OrderId,
    pub outcome: ReservationOutcome,
    pub lines: Vec<ReservedLine>,
    pub version: u64,
}

/// The outcome of reserving an order's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReservationOutcome {
    /// Every line was reserved; each line has its current state.
    Reserved,
    /// Stock was insufficient, and nothing was reserved.
    Rejected,
    /// Tombstone: the cancellation arrived before the order, so nothing will be reserved.
    #[serde(rename = "OVERTAKEN")]
    CancelledFirst,
}

/// One write: the new reservation, the stock movements and the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationUpdate {
    pub reservation: Reservation,
    /// The stored version that the write expects; none if there must be no reservation.
    pub expected: Option<u64>,
    /// One for each product and cause.
    pub movements: Vec<Movement>,
    pub events: Vec<Event>,
    pub cause: EventContext,
}

/// What a write adds to the counts of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockChange {
    pub product_id: ProductId,
    pub at: Timestamp,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

impl ReservationUpdate {
    /// The sum of the movements of each product, because a transaction can't update an item twice.
    #[must_use]
    pub fn stock_changes(&self) -> Vec<StockChange> {
        let mut changes = BTreeMap::new();
        for movement in &self.movements {
            let change = changes.entry(movement.product_id).or_insert(StockChange {
                product_id: movement.product_id,
                at: movement.at,
                available: 0,
                reserved: 0,
                sold: 0,
            });
            change.available += movement.available;
            change.reserved += movement.reserved;
            change.sold += movement.sold;
        }
        changes.into_values().collect()
    }
}

impl Reservation {
    /// Reserves every line of an order; lines of the same product are summed.
    #[must_use]
    pub fn reserve(order: &OrderPlaced, now: Timestamp, cause: &EventContext) -> ReservationUpdate {
        let lines: Vec<_> = order.lines.iter().map(ReservedLine::reserve).collect();
        let transition = LineTransition::RESERVE;
        let changes: Vec<_> = lines.iter().map(|line| (transition, line.clone())).collect();
        let reservation = Self {
            order_id: order.order_id,
            outcome: ReservationOutcome::Reserved,
            lines,
            version: 1,
        };
        let event = StockReserved {
            order_id: order.order_id,
            user_id: order.user_id,
            total: order.total,
            currency: order.currency,
            payment_method: order.payment_method.clone(),
            expires_at: order.expires_at,
        };
        ReservationUpdate {
            movements: reservation.movements(&changes, now),
            events: vec![Event::new(&event, 1, 0, now, cause)],
            expected: None,
            cause: cause.clone(),
            reservation,
        }
    }

    /// Records that an order's lines couldn't be reserved.
    #[must_use]
    pub fn reject(
        order: &OrderPlaced,
        shortages: Vec<Shortage>,
        now: Timestamp,
        cause: &EventContext,
    ) -> ReservationUpdate {
        let reservation = Self {
            order_id: order.order_id,
            outcome: ReservationOutcome::Rejected,
            lines: Vec::new(),
            version: 1,
        };
        let event = StockRejected { order_id: order.order_id, shortages };
        let events = if PlantedBug::ShortagePublishedAsReserved.is_planted() {
            Self::reserve(order, now, cause).events
        } else {
            vec![Event::new(&event, 1, 0, now, cause)]
        };
        ReservationUpdate {
            reservation,
            expected: None,
            movements: Vec::new(),
            events,
            cause: cause.clone(),
        }
    }

    /// Records a cancellation that arrived before its order.
    #[must_use]
    pub fn tombstone(order_id: OrderId, cause: &EventContext) -> ReservationUpdate {
        let reservation = Self {
            order_id,
            outcome: ReservationOutcome::CancelledFirst,
            lines: Vec::new(),
            version: 1,
        };
        ReservationUpdate {
            reservation,
            expected: None,
            movements: Vec::new(),
            events: Vec::new(),
            cause: cause.clone(),
        }
    }

    /// Turns reserved lines into sold ones. `None` if no line is reserved.
    #[must_use]
    pub fn fulfil(&self, now: Timestamp, cause: &EventContext) -> Option<ReservationUpdate> {
        self.transition(now, cause, |line| line.state.sell())
    }

    /// Releases reserved lines and returns sold ones. `None` if there are none.
    #[must_use]
    pub fn release(&self, now: Timestamp, cause: &EventContext) -> Option<ReservationUpdate> {
        self.transition(now, cause, |line| line.state.end(LineEnd::Cancelled))
    }

    /// Splits the lines as the event's line was split, and ends that line if the event is its end.
    /// The quantity is that of the reservation. `None` if nothing changes.
    ///
    /// # Errors
    /// [`LineMismatch`] if the event contradicts the reservation.
    pub fn apply_line_event(
        &self,
        line: &LineSnapshot,
        end: Option<LineEnd>,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<Option<ReservationUpdate>, LineMismatch> {
        let mut split = self.clone();
        apply_splits(&mut split.lines, line)?;
        let ended = end.and_then(|end| {
            split.transition(now, cause, |held| {
                (held.line_no == line.line_no).then(|| held.state.end(end)).flatten()
            })
        });
        Ok(ended.or_else(|| (split.lines != self.lines).then(|| split.without_movements(cause))))
    }

    /// A write of the reservation's lines alone.
    fn without_movements(self, cause: &EventContext) -> ReservationUpdate {
        ReservationUpdate {
            expected: Some(self.version),
            reservation: Self { version: self.version + 1, ..self },
            movements: Vec::new(),
            events: Vec::new(),
            cause: cause.clone(),
        }
    }

    fn transition(
        &self,
        now: Timestamp,
        cause: &EventContext,
        next: impl Fn(&ReservedLine) -> Option<LineTransition>,
    ) -> Option<ReservationUpdate> {
        let mut reservation = Self { version: self.version + 1, ..self.clone() };
        let mut changes = Vec::new();
        for line in &mut reservation.lines {
            if let Some(transition) = next(line) {
                line.state = transition.to;
                changes.push((transition, line.clone()));
            }
        }
        if changes.is_empty() {
            return None;
        }
        let movements = reservation.movements(&changes, now);
        let events = reservation.released(&changes, now, cause);
        Some(ReservationUpdate {
            reservation,
            expected: Some(self.version),
            movements,
            events,
            cause: cause.clone(),
        })
    }

    /// The event about the lines that hold no stock any more, if there are any.
    fn released(
        &self,
        changes: &[(LineTransition, ReservedLine)],
        now: Timestamp,
        cause: &EventContext,
    ) -> Vec<Event> {
        let lines: Vec<_> = changes
            .iter()
            .filter(|(transition, _)| transition.to != LineState::Sold)
            .map(|(transition, line)| ReleasedLine {
                line_no: line.line_no,
                product_id: line.product_id,
                quantity: line.quantity,
                restocked: transition.to != LineState::WrittenOff,
            })
            .collect();
        if lines.is_empty() || PlantedBug::ReleaseNotPublished.is_planted() {
            return Vec::new();
        }
        let event = StockReleased { order_id: self.order_id, lines };
        vec![Event::new(&event, self.version, 0, now, cause)]
    }

    /// The movements of `changes`, one for each product and cause.
    fn movements(
        &self,
        changes: &[(LineTransition, ReservedLine)],
        now: Timestamp,
    ) -> Vec<Movement> {
        let mut movements: BTreeMap<(u8, ProductId), Movement> = BTreeMap::new();
        for (transition, line) in changes {
            let key = (transition.cause as u8, line.product_id);
            if PlantedBug::LinesNotSummed.is_planted() {
                movements.remove(&key);
            }
            let movement = movements
                .entry(key)
                .or_insert_with(|| self.empty_movement(line.product_id, transition.cause, now));
            let pieces = i64::from(line.quantity.get());
            let [available, reserved, sold] = transition.change();
            movement.available += available * pieces;
            movement.reserved += reserved * pieces;
            movement.sold += sold * pieces;
        }
        movements.into_values().collect()
    }

    fn empty_movement(
        &self,
        product_id: ProductId,
        cause: MovementCause,
        now: Timestamp,
    ) -> Movement {
        let id = [
            self.order_id.to_string().into_bytes(),
            product_id.to_string().into_bytes(),
            self.version.to_be_bytes().to_vec(),
            vec![cause as u8],
        ];
        Movement {
            movement_id: MovementId::derive_at(now, &id.each_ref().map(Vec::as_slice)),
            product_id,
            at: now,
            cause,
            order_id: Some(self.order_id),
            reason: None,
            available: 0,
            reserved: 0,
            sold: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_contracts::orders::PlacedLine;
    use rialto_kernel::{Amount, Currency, EventId, Quantity, SellerId, UserId};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn order(lines: &[(&str, i64)]) -> OrderPlaced {
        let lines = lines.iter().enumerate().map(|(at, (product, quantity))| PlacedLine {
            line_no: u32::try_from(at).unwrap() + 1,
            product_id: ProductId::derive(&[product.as_bytes()]),
            seller_id: SellerId::derive(&[b"s"]),
            title: "thing".to_owned(),
            quantity: Quantity::new(*quantity).unwrap(),
            unit_price: Amount::new(100).unwrap(),
            share: Amount::new(100).unwrap(),
        });
        OrderPlaced {
            order_id: OrderId::derive(&[b"o"]),
            user_id: UserId::derive(&[b"u"]),
            lines: lines.collect(),
            total: Amount::new(100).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            payment_method: "pm_card_visa".to_owned(),
            expires_at: NOW,
        }
    }

    #[test]
    fn lines_of_one_product_make_one_movement() {
        let change = Reservation::reserve(
            &order(&[("a", 2), ("a", 3), ("b", 1)]),
            NOW,
            &EventContext::default(),
        );
        let mut moved: Vec<_> = change
            .movements
            .iter()
            .map(|movement| (movement.available, movement.reserved))
            .collect();
        moved.sort_unstable();
        assert_eq!(moved, [(-5, 5), (-1, 1)]);
        assert_eq!(change.events[0].kind, "StockReserved");
    }

    #[test]
    fn selling_and_giving_back_happen_once() {
        let cause = EventContext::default();
        let reserved = Reservation::reserve(&order(&[("a", 2)]), NOW, &cause).reservation;
        let sold = reserved.fulfil(NOW, &cause).unwrap();
        assert!(sold.events.is_empty());
        assert_eq!((sold.movements[0].reserved, sold.movements[0].sold), (-2, 2));
        assert_eq!(sold.reservation.fulfil(NOW, &cause), None);

        let back = sold.reservation.release(NOW, &cause).unwrap();
        assert_eq!((back.movements[0].available, back.movements[0].sold), (2, -2));
        assert_eq!(back.events[0].kind, "StockReleased");
        assert_eq!(back.reservation.release(NOW, &cause), None);
        assert_eq!(back.reservation.fulfil(NOW, &cause), None);
    }

    #[test]
    fn movements_of_several_causes_are_one_change_of_the_product() {
        let cause = EventContext::default();
        let mut mixed =
            Reservation::reserve(&order(&[("a", 2), ("b", 1), ("a", 3)]), NOW, &cause).reservation;
        mixed.lines[0].state = LineState::Sold;
        let back = mixed.release(NOW, &cause).unwrap();
        assert_eq!(back.movements.len(), 3);
        let mut changes: Vec<_> = back
            .stock_changes()
            .iter()
            .map(|change| (change.available, change.reserved, change.sold))
            .collect();
        changes.sort_unstable();
        assert_eq!(changes, [(1, -1, 0), (5, -3, -2)]);
    }

    #[test]
    fn reserved_lines_are_released_not_returned() {
        let cause = EventContext::default();
        let reserved = Reservation::reserve(&order(&[("a", 2)]), NOW, &cause).reservation;
        let back = reserved.release(NOW, &cause).unwrap();
        assert_eq!((back.movements[0].available, back.movements[0].reserved), (2, -2));
        assert_eq!(back.reservation.fulfil(NOW, &cause), None);
    }

    #[test]
    fn the_largest_reservation_and_release_are_within_limits() {
        /// With those that were split off.
        const LINES: usize = 40;
        let cause = EventContext {
            correlationid: Some(OrderId::derive(&[b"o"]).to_string()),
            causationid: Some(EventId::derive(&[b"e"])),
            traceparent: Some("0".repeat(55)),
        };
        let names: Vec<_> = (0..LINES).map(|at| format!("p{at}")).collect();
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 999)).collect();
        let mut largest = Reservation::reserve(&order(&lines), NOW, &cause).reservation;
        for line in &mut largest.lines {
            line.initial_quantity = Some(line.quantity);
        }
        let released = largest.release(NOW, &cause).unwrap();
        let bytes = |value: serde_json::Value| value.to_string().len();
        let event = bytes(serde_json::to_value(&released.events[0]).unwrap());
        let item = bytes(serde_json::to_value(&released.reservation).unwrap());
        assert!(event <= 32 * 1024, "{event}");
        assert!(item + event <= 150 * 1024, "{item}");
    }
}
