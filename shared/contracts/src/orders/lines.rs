//! The events about a line of an order, and how a consumer keeps a copy of the lines.

use rialto_kernel::{Amount, OrderId, ProductId, Quantity, SellerId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a line of an order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = LineState)]
pub enum OrderLineState {
    Ordered,
    /// The seller will deliver it.
    Accepted,
    /// The buyer has requested its cancellation, which the seller hasn't confirmed yet.
    Canceling,
    Cancelled,
    /// The seller won't deliver it.
    Rejected,
    /// The buyer has received it.
    Completed,
    ReturnRequested,
    Returned,
    /// A state that this release doesn't know; never published.
    #[serde(other)]
    Other,
}

/// A part that was split off a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineSplit {
    /// The number of the new line.
    pub line_no: u32,
    /// The line that it was split off.
    pub from: u32,
    /// The pieces that it was split off with.
    pub quantity: Quantity,
    /// The state of both lines at that time.
    pub state: OrderLineState,
}

/// A line after a write, as each event about a line carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSnapshot {
    pub order_id: OrderId,
    pub line_no: u32,
    pub root: u32,
    pub user_id: UserId,
    pub seller_id: SellerId,
    pub product_id: ProductId,
    pub quantity: Quantity,
    pub share: Amount,
    pub state: OrderLineState,
    pub splits: Vec<LineSplit>,
}

/// Declares the events about a line, which all carry a [`LineSnapshot`].
macro_rules! line_events {
    ($($(#[$doc:meta])* $event:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? };)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub struct $event {
            pub order_id: OrderId,
            pub line_no: u32,
            /// The number of the line as it was placed, of which this one is a part.
            pub root: u32,
            pub user_id: UserId,
            pub seller_id: SellerId,
            pub product_id: ProductId,
            /// The pieces that the line has now.
            pub quantity: Quantity,
            /// The part of the order's total that the line has now.
            pub share: Amount,
            /// The state after the change.
            pub state: OrderLineState,
            /// Every part that was split off lines of this root so far, in order.
            pub splits: Vec<LineSplit>,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $event {
            #[must_use]
            pub fn new(line: LineSnapshot $(, $field: $type)*) -> Self {
                Self {
                    order_id: line.order_id,
                    line_no: line.line_no,
                    root: line.root,
                    user_id: line.user_id,
                    seller_id: line.seller_id,
                    product_id: line.product_id,
                    quantity: line.quantity,
                    share: line.share,
                    state: line.state,
                    splits: line.splits,
                    $($field,)*
                }
            }

            /// The line after the change.
            #[must_use]
            pub fn line(&self) -> LineSnapshot {
                LineSnapshot {
                    order_id: self.order_id,
                    line_no: self.line_no,
                    root: self.root,
                    user_id: self.user_id,
                    seller_id: self.seller_id,
                    product_id: self.product_id,
                    quantity: self.quantity,
                    share: self.share,
                    state: self.state,
                    splits: self.splits.clone(),
                }
            }
        }
    )*};
}

line_events! {
    /// The seller has accepted the line.
    OrderLineAccepted {};
    /// The seller has rejected the line, or hasn't accepted it in time.
    OrderLineRejected {};
    /// The buyer has requested to cancel the line. Delivery responds to each such event.
    OrderLineCancelRequested {};
    /// The line can't be cancelled, because its delivery had started.
    OrderLineCancelRefused {};
    /// The seller has confirmed the cancellation, or the time to do so is over.
    OrderLineCancelled {};
    /// The buyer has requested to return the line.
    OrderLineReturnRequested {};
    /// The seller has confirmed the return, or the time to do so is over.
    OrderLineReturned {
        /// Whether the pieces become available stock again; if not, they are written off.
        restock: bool,
        /// The amount to refund, at most the line's share.
        refund: Amount,
    };
    /// The seller has declined the return.
    OrderLineReturnDeclined {};
    /// The seller has split the line: this one is the new part.
    OrderLineSplit {};
}

/// A consumer's copy of a line.
pub trait LineCopy: Sized {
    fn line_no(&self) -> u32;
    /// The pieces that it was placed or split off with.
    fn initial_quantity(&self) -> Quantity;
    /// The pieces that it has now.
    fn quantity(&self) -> Quantity;
    /// Reduces the line to `remaining` pieces, and returns the part that was split off.
    fn split(&mut self, split: &LineSplit, remaining: Quantity) -> Self;
}

/// A line event contradicts the consumer's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineMismatch {
    #[error("line {0} is unknown")]
    UnknownLine(u32),
    #[error("line {from} hasn't enough pieces to split off line {line_no}")]
    TooFewPieces { from: u32, line_no: u32 },
    #[error("line {line_no} has another quantity than its event says")]
    Quantity { line_no: u32 },
}

/// Applies the splits of an event that the copies of the root's lines don't have yet, each to the
/// copy that it was split off, in order. So the copies become those of orders, whatever the order
/// in which events arrive. The copies may be of later events than this one.
///
/// # Errors
/// [`LineMismatch`]: the copies are unusable; the event has to be put aside.
pub fn apply_splits<L: LineCopy>(
    lines: &mut Vec<L>,
    event: &LineSnapshot,
) -> Result<(), LineMismatch> {
    for split in &event.splits {
        if lines.iter().any(|line| line.line_no() == split.line_no) {
            continue;
        }
        let from = lines.iter_mut().find(|line| line.line_no() == split.from);
        let from = from.ok_or(LineMismatch::UnknownLine(split.from))?;
        let too_few = LineMismatch::TooFewPieces { from: split.from, line_no: split.line_no };
        let remaining = i64::from(from.quantity().get()) - i64::from(split.quantity.get());
        let remaining = Quantity::new(remaining).map_err(|_| too_few)?;
        let part = from.split(split, remaining);
        lines.push(part);
    }
    let line = lines.iter().find(|line| line.line_no() == event.line_no);
    let line = line.ok_or(LineMismatch::UnknownLine(event.line_no))?;
    let from_it = event.splits.iter().filter(|split| split.from == event.line_no);
    let split_off: u32 = from_it.map(|split| split.quantity.get()).sum();
    if line.initial_quantity().get() != event.quantity.get() + split_off {
        return Err(LineMismatch::Quantity { line_no: event.line_no });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Copy {
        line_no: u32,
        initial: Quantity,
        quantity: Quantity,
    }

    impl LineCopy for Copy {
        fn line_no(&self) -> u32 {
            self.line_no
        }
        fn initial_quantity(&self) -> Quantity {
            self.initial
        }
        fn quantity(&self) -> Quantity {
            self.quantity
        }
        fn split(&mut self, split: &LineSplit, remaining: Quantity) -> Self {
            self.quantity = remaining;
            copy(split.line_no, i64::from(split.quantity.get()))
        }
    }

    fn copy(line_no: u32, pieces: i64) -> Copy {
        let quantity = Quantity::new(pieces).unwrap();
        Copy { line_no, initial: quantity, quantity }
    }

    fn split(line_no: u32, from: u32, pieces: i64) -> LineSplit {
        let quantity = Quantity::new(pieces).unwrap();
        LineSplit { line_no, from, quantity, state: OrderLineState::Ordered }
    }

    fn event(line_no: u32, pieces: i64, splits: &[LineSplit]) -> LineSnapshot {
        LineSnapshot {
            order_id: OrderId::derive(&[b"o"]),
            line_no,
            root: 1,
            user_id: UserId::derive(&[b"u"]),
            seller_id: SellerId::derive(&[b"s"]),
            product_id: ProductId::derive(&[b"p"]),
            quantity: Quantity::new(pieces).unwrap(),
            share: Amount::ZERO,
            state: OrderLineState::Ordered,
            splits: splits.to_vec(),
        }
    }

    /// Line 1 of 9 pieces is split into 1 (5), 2 (3) and 3 (1).
    fn history() -> [LineSnapshot; 4] {
        let (second, third) = (split(2, 1, 4), split(3, 2, 1));
        [
            event(1, 9, &[]),
            event(2, 4, &[second]),
            event(3, 1, &[second, third]),
            event(1, 5, &[second, third]),
        ]
    }

    #[test]
    fn splits_are_applied_once_in_any_order_of_events() {
        let events = history();
        for first in 0..4 {
            for second in 0..4 {
                for third in 0..4 {
                    let mut lines = vec![copy(1, 9)];
                    for at in [first, second, third, 2] {
                        apply_splits(&mut lines, &events[at]).unwrap();
                    }
                    let pieces: Vec<_> =
                        lines.iter().map(|line| (line.line_no, line.quantity.get())).collect();
                    assert_eq!(pieces, [(1, 5), (2, 3), (3, 1)]);
                }
            }
        }
    }

    #[test]
    fn another_quantity_is_a_mismatch() {
        let mut lines = vec![copy(1, 9)];
        let expected = Err(LineMismatch::Quantity { line_no: 1 });
        assert_eq!(apply_splits(&mut lines, &event(1, 8, &[])), expected);
        assert_eq!(apply_splits(&mut lines, &event(1, 4, &[split(2, 1, 4)])), expected);
    }

    #[test]
    fn an_impossible_split_is_a_mismatch() {
        let mut lines = vec![copy(1, 2)];
        let too_many = event(2, 2, &[split(2, 1, 2)]);
        assert_eq!(
            apply_splits(&mut lines, &too_many),
            Err(LineMismatch::TooFewPieces { from: 1, line_no: 2 })
        );
        let unknown = event(5, 1, &[split(5, 4, 1)]);
        assert_eq!(apply_splits(&mut lines, &unknown), Err(LineMismatch::UnknownLine(4)));
        assert_eq!(lines, [copy(1, 2)]);
    }
}
