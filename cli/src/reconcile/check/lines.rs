//! Whether orders, inventory and payments agree about an order's lines.

use super::{super::Subject, Check};
use rialto_contracts::orders::{OrderLineState, OrderPlaced};
use rialto_inventory::domain::reserved_line::{LineState, ReservedLine};
use rialto_orders::domain::{
    line::{OrderLine, ReturnOutcome},
    order::Order,
};
use serde::Deserialize;
use std::collections::BTreeSet;

impl Check<'_> {
    /// The lines of a root have the pieces and the share that it was placed with; inventory has the
    /// same lines, and their stock is where their state says; ended lines are compensated.
    pub(super) fn lines(&mut self, order: &Order) {
        self.roots(order);
        if !order.was_confirmed() {
            return;
        }
        let about = Subject::Order(order.order_id);
        let held = self.reservations.get(&order.order_id).copied();
        let held = held.map(|held| held.lines.as_slice()).unwrap_or_default();
        let in_orders: BTreeSet<_> = order
            .lines
            .iter()
            .map(|line| (line.line_no, line.product_id, line.quantity.get()))
            .collect();
        let in_inventory: BTreeSet<_> =
            held.iter().map(|line| (line.line_no, line.product_id, line.quantity.get())).collect();
        let pieces = |lines: &BTreeSet<(u32, _, u32)>| -> Vec<(u32, u32)> {
            lines.iter().map(|(line_no, _, pieces)| (*line_no, *pieces)).collect()
        };
        self.expect("lines-stock", about.clone(), in_orders == in_inventory, || {
            format!(
                "the pieces of its lines are {:?}, inventory has {:?}",
                pieces(&in_orders),
                pieces(&in_inventory)
            )
        });
        for line in &order.lines {
            let held = held.iter().find(|held| held.line_no == line.line_no);
            let agrees = held.is_some_and(|held| stock_agrees(line, held));
            self.expect("lines-stock-state", about.clone(), agrees, || {
                let state = held.map(|held| held.state);
                format!("line {} is {:?}, its stock {state:?}", line.line_no, line.state)
            });
        }
        self.returns(order);
        let compensated =
            self.payments.get(&order.order_id).map(|payment| &payment.compensated_lines);
        let ended = order.lines.iter().filter(|line| !line.is_live()).map(|line| line.line_no);
        let ended: BTreeSet<u32> = ended.collect();
        self.expect("lines-compensated", about, compensated == Some(&ended), || {
            format!("lines {ended:?} have ended, payments has compensated {compensated:?}")
        });
    }

    /// A seller grants at most the share of a returned line.
    fn returns(&mut self, order: &Order) {
        for line in &order.lines {
            let outcome = line.return_request.as_ref().and_then(|request| request.outcome);
            let Some(ReturnOutcome { refund, .. }) = outcome else { continue };
            let about = Subject::Order(order.order_id);
            self.expect("lines-refund", about, refund <= line.share, || {
                let (refund, share) = (refund.minor_units(), line.share.minor_units());
                format!("line {} was returned for {refund}, its share is {share}", line.line_no)
            });
        }
    }

    /// The lines of each root sum to it as it was placed.
    fn roots(&mut self, order: &Order) {
        let placed = order.timeline.iter().find(|entry| entry.kind == "OrderPlaced");
        let Some(placed) = placed.and_then(|entry| OrderPlaced::deserialize(&entry.data).ok())
        else {
            return;
        };
        let about = Subject::Order(order.order_id);
        for root in placed.lines {
            let parts = order.lines.iter().filter(|line| line.root() == root.line_no);
            let sums = parts.fold((0, 0), |(pieces, share), line| {
                (pieces + line.quantity.get(), share + line.share.minor_units())
            });
            let expected = (root.quantity.get(), root.share.minor_units());
            self.expect("lines-sum", about.clone(), sums == expected, || {
                format!(
                    "line {} was placed with {expected:?} pieces and share, its parts have {sums:?}",
                    root.line_no
                )
            });
        }
    }
}

/// Whether a line's stock is where the line's state says.
fn stock_agrees(line: &OrderLine, held: &ReservedLine) -> bool {
    let outcome = line.return_request.as_ref().and_then(|request| request.outcome);
    match line.state {
        OrderLineState::Rejected | OrderLineState::Cancelled => {
            matches!(held.state, LineState::Released | LineState::Returned)
        }
        OrderLineState::Returned if outcome.is_some_and(|outcome| outcome.restock) => {
            held.state == LineState::Returned
        }
        OrderLineState::Returned => held.state == LineState::WrittenOff,
        _ => held.state == LineState::Sold,
    }
}
