//! A reservation's lines, and the transitions of their states.

use super::movement::MovementCause;
use rialto_contracts::orders::{LineCopy, LineSplit, PlacedLine};
use rialto_kernel::{PlantedBug, ProductId, Quantity};
use serde::{Deserialize, Serialize};

/// The stock held for a line of an order, or for a part that was split off it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedLine {
    pub line_no: u32,
    pub product_id: ProductId,
    pub quantity: Quantity,
    /// The quantity that it was placed or split off with, if parts were split off it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_quantity: Option<Quantity>,
    pub state: LineState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineState {
    Reserved,
    Sold,
    /// Available again, without having been sold.
    Released,
    /// Available again, after the line was sold or returned.
    Returned,
    /// Removed from the stock, because a returned line's units weren't restocked.
    WrittenOff,
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// The line, or its order, was cancelled or rejected.
    Cancelled,
    /// The buyer returned the line, and its units are available again.
    Restocked,
    /// The buyer returned the line, and its units aren't available again.
    WrittenOff,
}

/// A change of a line's state, with the cause of its stock movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTransition {
    from: LineState,
    pub to: LineState,
    pub cause: MovementCause,
}

impl LineState {
    /// Where a unit of the line is counted: as available, reserved or sold.
    const fn counts(self) -> [i64; 3] {
        match self {
            Self::Reserved => [0, 1, 0],
            Self::Sold => [0, 0, 1],
            Self::Released | Self::Returned => [1, 0, 0],
            Self::WrittenOff => [0, 0, 0],
        }
    }

    /// The transition of a line whose order was confirmed.
    pub(super) fn sell(self) -> Option<LineTransition> {
        let reserved = match self {
            Self::Sold => PlantedBug::SoldTwice.is_planted(),
            Self::Released if PlantedBug::SoldAfterEnd.is_planted() => true,
            state => state == Self::Reserved,
        };
        let (from, to) = (Self::Reserved, Self::Sold);
        reserved.then_some(LineTransition { from, to, cause: MovementCause::Sold })
    }

    /// The transition of a line that ends. `None` if it ended before.
    pub(super) fn end(self, end: LineEnd) -> Option<LineTransition> {
        let from = match self {
            Self::Reserved | Self::Sold => self,
            Self::Released if PlantedBug::ReleasedTwice.is_planted() => Self::Reserved,
            Self::Released | Self::Returned | Self::WrittenOff => return None,
        };
        let (to, cause) = match end {
            LineEnd::Cancelled if from == Self::Reserved => {
                (Self::Released, MovementCause::Released)
            }
            LineEnd::Cancelled | LineEnd::Restocked => (Self::Returned, MovementCause::Returned),
            LineEnd::WrittenOff if PlantedBug::WrittenOffRestocked.is_planted() => {
                (LineState::Returned, MovementCause::Returned)
            }
            LineEnd::WrittenOff => (Self::WrittenOff, MovementCause::WrittenOff),
        };
        Some(LineTransition { from, to, cause })
    }
}

impl LineTransition {
    /// The transition of a placed line, whose units are available.
    pub(super) const RESERVE: Self =
        Self { from: LineState::Released, to: LineState::Reserved, cause: MovementCause::Reserved };

    /// What it adds to the available, reserved and sold units for each unit of the line.
    pub(super) const fn change(self) -> [i64; 3] {
        let (from, to) = (self.from.counts(), self.to.counts());
        [to[0] - from[0], to[1] - from[1], to[2] - from[2]]
    }
}

impl ReservedLine {
    pub(super) const fn reserve(line: &PlacedLine) -> Self {
        Self {
            line_no: line.line_no,
            product_id: line.product_id,
            quantity: line.quantity,
            initial_quantity: None,
            state: LineState::Reserved,
        }
    }
}

impl LineCopy for ReservedLine {
    fn line_no(&self) -> u32 {
        self.line_no
    }

    fn initial_quantity(&self) -> Quantity {
        self.initial_quantity.unwrap_or(self.quantity)
    }

    fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// A part has the state of the line that it is split off: if that has ended, so has the part.
    fn split(&mut self, split: &LineSplit, remaining: Quantity) -> Self {
        self.initial_quantity = Some(LineCopy::initial_quantity(self));
        self.quantity = remaining;
        Self {
            line_no: split.line_no,
            quantity: split.quantity,
            initial_quantity: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reserved_line_is_sold() {
        let change = LineState::Reserved.sell().map(LineTransition::change);
        assert_eq!(change, Some([0, -1, 1]));
        for state in
            [LineState::Sold, LineState::Released, LineState::Returned, LineState::WrittenOff]
        {
            assert_eq!(state.sell(), None, "{state:?}");
        }
    }

    #[test]
    fn a_reserved_or_sold_line_ends_once() {
        use LineEnd::{Cancelled, Restocked};
        let written_off = LineEnd::WrittenOff;
        for (from, end, to, change) in [
            (LineState::Reserved, Cancelled, LineState::Released, [1, -1, 0]),
            (LineState::Reserved, Restocked, LineState::Returned, [1, -1, 0]),
            (LineState::Reserved, written_off, LineState::WrittenOff, [0, -1, 0]),
            (LineState::Sold, Cancelled, LineState::Returned, [1, 0, -1]),
            (LineState::Sold, Restocked, LineState::Returned, [1, 0, -1]),
            (LineState::Sold, written_off, LineState::WrittenOff, [0, 0, -1]),
        ] {
            let transition = from.end(end).unwrap();
            assert_eq!((transition.to, transition.change()), (to, change), "{from:?} {end:?}");
            for repeated in [Cancelled, Restocked, written_off] {
                assert_eq!(to.end(repeated), None, "{to:?} {repeated:?}");
            }
        }
    }

    #[test]
    fn a_line_stored_without_an_initial_quantity_is_read() {
        let line = ReservedLine {
            line_no: 1,
            product_id: ProductId::derive(&[b"p"]),
            quantity: Quantity::new(3).unwrap(),
            initial_quantity: None,
            state: LineState::Sold,
        };
        let stored = serde_json::to_value(&line).unwrap();
        assert_eq!(stored.get("initial_quantity"), None);
        assert_eq!(serde_json::from_value::<ReservedLine>(stored).unwrap(), line);
        assert_eq!(LineCopy::initial_quantity(&line), line.quantity);
    }
}
