//! The lines of an order, and the parts that they are split into.

use super::keyed_request::RequestRecord;
use rialto_contracts::orders::{LineSplit, OrderLineState};
use rialto_kernel::{Amount, PlantedBug, ProductId, Quantity, SellerId, Text, Timestamp};
use serde::{Deserialize, Serialize};

/// The lines that an order may have, with those that were split off.
pub const MAX_LINES_WITH_PARTS: usize = 40;
/// The lines from which on a seller may not split any more, so that the buyer still can.
pub const MAX_LINES_OF_SELLERS: usize = 30;
/// The parts that may be split off a line as it was placed.
pub const MAX_PARTS: usize = 10;
/// The return requests of a line.
pub const MAX_RETURN_REQUESTS: u8 = 3;
/// The times that an unanswered cancel request is published again.
pub const MAX_CANCEL_REPEATS: u8 = 10;

/// Why a line is returned, or why the return is declined.
pub type ReturnReason = Text<1, 200>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The line's number within the order, from 1.
    pub line_no: u32,
    pub product_id: ProductId,
    pub seller_id: SellerId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    /// The line's price with its part of the shipping fee.
    pub share: Amount,
    pub state: OrderLineState,
    /// How it was split off another line; `None` for a line as it was placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<LinePart>,
    /// The delivery is known to have started: the line can't be cancelled or split by its seller.
    #[serde(default)]
    pub delivery_started: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// The pending cancel request, while it is CANCELING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_request: Option<CancelRequest>,
    /// The last return request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_request: Option<ReturnRequest>,
    /// The requests with an Idempotency-Key that made or changed the line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestRecord>,
}

/// The line that a part was split off, and the part at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePart {
    /// The line as it was placed.
    pub root: u32,
    pub from: u32,
    pub quantity: Quantity,
    pub state: OrderLineState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// The state that the line returns to if the request is refused.
    pub previous_state: OrderLineState,
    /// When the request was published last.
    pub published_at: Timestamp,
    /// How many times it was published again.
    pub repeats: u8,
    /// When delivery's response was received that it holds the pieces.
    pub held_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnRequest {
    pub requested_at: Timestamp,
    /// The return requests of the line so far.
    pub count: u8,
    /// The buyer's reason. `None` once it was declined or erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReturnReason>,
    /// The seller's reason for declining it. `None` once it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<ReturnReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ReturnOutcome>,
}

/// What the seller did with a returned line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnOutcome {
    /// Whether the pieces become available stock again; if not, they are written off.
    pub restock: bool,
    pub refund: Amount,
}

impl OrderLine {
    /// The number of the line as it was placed.
    #[must_use]
    pub fn root(&self) -> u32 {
        self.part.map_or(self.line_no, |part| part.root)
    }

    /// Whether the line can still change by itself, or someone has to act on it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self.state {
            OrderLineState::Ordered
            | OrderLineState::Accepted
            | OrderLineState::Canceling
            | OrderLineState::ReturnRequested => true,
            OrderLineState::Cancelled
            | OrderLineState::Rejected
            | OrderLineState::Completed
            | OrderLineState::Returned
            | OrderLineState::Other => false,
        }
    }

    /// Whether the line's stock and money have not come back.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !matches!(
            self.state,
            OrderLineState::Rejected | OrderLineState::Cancelled | OrderLineState::Returned
        )
    }

    /// The part of the share that the shop retains: all of a live line's, and what the refund of a
    /// returned one left.
    #[must_use]
    pub fn retained_share(&self) -> Amount {
        let outcome = self.return_request.as_ref().and_then(|request| request.outcome);
        match (self.state, outcome) {
            (OrderLineState::Returned, Some(outcome)) => {
                self.share.minus(outcome.refund).unwrap_or_default()
            }
            _ if self.is_live() => self.share,
            _ => Amount::ZERO,
        }
    }

    /// Whether the line was delivered, returned or not.
    #[must_use]
    pub const fn was_delivered(&self) -> bool {
        matches!(
            self.state,
            OrderLineState::Completed | OrderLineState::ReturnRequested | OrderLineState::Returned
        )
    }

    /// The split that made this line; `None` for a line as it was placed.
    #[must_use]
    pub fn split(&self) -> Option<LineSplit> {
        let LinePart { from, quantity, state, .. } = self.part?;
        Some(LineSplit { line_no: self.line_no, from, quantity, state })
    }

    /// Splits `pieces` off as line `line_no`: the share is divided in proportion. Everything else
    /// is the same for both, so that no deadline starts anew. `None` unless a piece remains.
    #[must_use]
    pub fn split_off(&mut self, line_no: u32, pieces: Quantity) -> Option<Self> {
        let remaining = i64::from(self.quantity.get()) - i64::from(pieces.get());
        let remaining = Quantity::new(remaining).ok()?;
        let weight = |pieces: Quantity| Amount::new(pieces.get().into()).ok();
        let shares = self.share.split(&[weight(remaining)?, weight(pieces)?]);
        let [remaining_share, part_share] = *shares.as_slice() else { return None };
        let part_share = if PlantedBug::PartShareByPrice.is_planted() {
            Amount::new(self.unit_price.minor_units() * i64::from(pieces.get())).ok()?
        } else {
            part_share
        };
        let part =
            LinePart { root: self.root(), from: self.line_no, quantity: pieces, state: self.state };
        let new = Self {
            line_no,
            quantity: pieces,
            share: part_share,
            part: Some(part),
            requests: Vec::new(),
            ..self.clone()
        };
        self.quantity = remaining;
        if !PlantedBug::ShareNotSplit.is_planted() {
            self.share = remaining_share;
        }
        Some(new)
    }

    /// Erases what the buyer and the seller wrote.
    pub fn erase_reasons(&mut self) {
        if let Some(request) = &mut self.return_request {
            request.reason = None;
            request.decline_reason = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::placed_order;
    use rialto_kernel::digest;

    fn line(pieces: i64, share: i64) -> OrderLine {
        OrderLine {
            quantity: Quantity::new(pieces).unwrap(),
            share: Amount::new(share).unwrap(),
            ..placed_order().order.lines.remove(0)
        }
    }

    fn split(pieces: i64, share: i64, part: i64) -> (i64, i64) {
        let mut line = line(pieces, share);
        let part = line.split_off(2, Quantity::new(part).unwrap()).unwrap();
        (line.share.minor_units(), part.share.minor_units())
    }

    #[test]
    fn a_unit_left_over_goes_to_the_larger_remainder() {
        assert_eq!(split(3, 100, 1), (67, 33));
        assert_eq!(split(3, 100, 2), (33, 67));
        assert_eq!(split(2, 101, 1), (51, 50), "the lower line_no has it when equal");
        assert_eq!(split(4, 0, 1), (0, 0));
        let most = Amount::MAX.minor_units();
        assert_eq!(split(999, most, 998), (most / 999, most - most / 999));
    }

    #[test]
    fn the_last_piece_is_not_split_off() {
        let mut line = line(2, 100);
        let unchanged = line.clone();
        for pieces in [2, 3] {
            assert_eq!(line.split_off(2, Quantity::new(pieces).unwrap()), None);
        }
        assert_eq!(line, unchanged);
    }

    #[test]
    fn parts_sum_to_the_line_after_any_splits() {
        let mut number = 0_u32;
        let mut random = |below: u32| {
            number += 1;
            let bytes = digest::sha256(&[&number.to_be_bytes()]);
            u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % below
        };
        for _ in 0..500 {
            let (pieces, share) = (i64::from(random(999) + 1), i64::from(random(u32::MAX)));
            let mut lines = vec![line(pieces, share)];
            for line_no in 2..12 {
                let at = random(u32::try_from(lines.len()).unwrap()) as usize;
                let part = i64::from(random(lines[at].quantity.get()) + 1);
                let part = lines[at].split_off(line_no, Quantity::new(part).unwrap());
                lines.extend(part);
            }
            let sum = Amount::sum(lines.iter().map(|line| line.share)).unwrap();
            assert_eq!(sum.minor_units(), share);
            let sum: u32 = lines.iter().map(|line| line.quantity.get()).sum();
            assert_eq!(i64::from(sum), pieces);
            assert!(lines.iter().all(|line| line.root() == 1));
        }
    }

    #[test]
    fn lines_stored_without_the_new_fields_are_read() {
        let line = line(2, 100);
        let mut stored = serde_json::to_value(&line).unwrap();
        let names = ["delivery_started", "part", "delivered_at", "cancel_request", "requests"];
        for name in names {
            stored.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(serde_json::from_value::<OrderLine>(stored).unwrap(), line);
    }
}
