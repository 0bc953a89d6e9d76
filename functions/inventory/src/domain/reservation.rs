//! Reservations: the stock held for an order, line by line.

use super::movement::{Movement, MovementCause};
use rialto_contracts::{
    Event, EventContext,
    inventory::{ReleasedLine, Shortage, StockRejected, StockReleased, StockReserved},
    orders::OrderPlaced,
};
use rialto_kernel::{MovementId, OrderId, PlantedBug, ProductId, Quantity, Timestamp};
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedLine {
    pub line_no: u32,
    pub product_id: ProductId,
    pub quantity: Quantity,
    pub state: LineState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineState {
    Reserved,
    Sold,
    Released,
    Returned,
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
        let lines = order
            .lines
            .iter()
            .map(|line| ReservedLine {
                line_no: line.line_no,
                product_id: line.product_id,
                quantity: line.quantity,
                state: LineState::Reserved,
            })
            .collect();
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
            movements: reservation.movements(&reservation.lines, MovementCause::Reserved, now),
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
        self.transition(now, cause, |state| match state {
            LineState::Reserved => Some((LineState::Sold, MovementCause::Sold)),
            LineState::Sold if PlantedBug::SoldTwice.is_planted() => {
                Some((LineState::Sold, MovementCause::Sold))
            }
            _ => None,
        })
    }

    /// Releases reserved lines and returns sold ones. `None` if there are none.
    #[must_use]
    pub fn release(&self, now: Timestamp, cause: &EventContext) -> Option<ReservationUpdate> {
        self.transition(now, cause, |state| match state {
            LineState::Reserved => Some((LineState::Released, MovementCause::Released)),
            LineState::Sold => Some((LineState::Returned, MovementCause::Returned)),
            LineState::Released if PlantedBug::ReleasedTwice.is_planted() => {
                Some((LineState::Released, MovementCause::Released))
            }
            LineState::Released | LineState::Returned => None,
        })
    }

    fn transition(
        &self,
        now: Timestamp,
        cause: &EventContext,
        next: fn(LineState) -> Option<(LineState, MovementCause)>,
    ) -> Option<ReservationUpdate> {
        let mut reservation = Self { version: self.version + 1, ..self.clone() };
        let mut changed: BTreeMap<u8, (MovementCause, Vec<ReservedLine>)> = BTreeMap::new();
        for line in &mut reservation.lines {
            if let Some((state, movement)) = next(line.state) {
                changed
                    .entry(movement as u8)
                    .or_insert_with(|| (movement, Vec::new()))
                    .1
                    .push(line.clone());
                line.state = state;
            }
        }
        if changed.is_empty() {
            return None;
        }
        let released: Vec<ReleasedLine> = changed
            .values()
            .filter(|(movement, _)| *movement != MovementCause::Sold)
            .flat_map(|(_, lines)| lines)
            .map(|line| ReleasedLine {
                line_no: line.line_no,
                product_id: line.product_id,
                quantity: line.quantity,
            })
            .collect();
        let events = if released.is_empty() || PlantedBug::ReleaseNotPublished.is_planted() {
            Vec::new()
        } else {
            let event = StockReleased { order_id: self.order_id, lines: released };
            vec![Event::new(&event, reservation.version, 0, now, cause)]
        };
        let movements = changed
            .values()
            .flat_map(|(movement, lines)| reservation.movements(lines, *movement, now))
            .collect();
        Some(ReservationUpdate {
            reservation,
            expected: Some(self.version),
            movements,
            events,
            cause: cause.clone(),
        })
    }

    /// The movements of `lines`, one for each product.
    fn movements(
        &self,
        lines: &[ReservedLine],
        cause: MovementCause,
        now: Timestamp,
    ) -> Vec<Movement> {
        let mut units: BTreeMap<ProductId, i64> = BTreeMap::new();
        for line in lines {
            if PlantedBug::LinesNotSummed.is_planted() {
                units.remove(&line.product_id);
            }
            *units.entry(line.product_id).or_default() += i64::from(line.quantity.get());
        }
        let movement = |(product_id, n): (ProductId, i64)| {
            let (available, reserved, sold) = match cause {
                MovementCause::Initial | MovementCause::Adjusted => (n, 0, 0),
                MovementCause::Reserved => (-n, n, 0),
                MovementCause::Sold => (0, -n, n),
                MovementCause::Released => (n, -n, 0),
                MovementCause::Returned => (n, 0, -n),
            };
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
                available,
                reserved,
                sold,
            }
        };
        units.into_iter().map(movement).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_contracts::orders::PlacedLine;
    use rialto_kernel::{Amount, Currency, SellerId, UserId};

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
}
