//! Whether orders and delivery agree about an order's lines.

use super::{super::Subject, Check};
use rialto_contracts::orders::OrderLineState;
use rialto_delivery::domain::delivery::DeliveryState;
use rialto_orders::domain::{line::OrderLine, order::Order};
use std::collections::BTreeMap;

impl Check<'_> {
    /// Each line that was split before it was COMPLETED has a delivery of its own, with the pieces
    /// that it has, and those that were split off it afterwards; and in a state that fits.
    pub(super) fn deliveries(&mut self, order: &Order) {
        let about = Subject::Order(order.order_id);
        let deliveries = self.deliveries_of(order);
        let found: BTreeMap<u32, u32> =
            deliveries.iter().map(|delivery| (delivery.line_no, delivery.quantity.get())).collect();
        let expected =
            if order.was_confirmed() { delivered_pieces(order) } else { BTreeMap::new() };
        self.expect("deliveries", about.clone(), found == expected, || {
            format!("its lines have the pieces {expected:?} to deliver, delivery has {found:?}")
        });
        for line in &order.lines {
            let delivery = deliveries.iter().find(|delivery| delivery.line_no == line.line_no);
            let state = delivery.map(|delivery| delivery.state);
            let agrees = state.is_none_or(|state| delivery_agrees(line, state));
            self.expect("deliveries-state", about.clone(), agrees, || {
                format!("line {} is {:?}, its delivery {state:?}", line.line_no, line.state)
            });
        }
    }
}

/// The pieces of each line's delivery.
fn delivered_pieces(order: &Order) -> BTreeMap<u32, u32> {
    let mut pieces: BTreeMap<u32, u32> =
        order.lines.iter().map(|line| (line.line_no, line.quantity.get())).collect();
    // A part has a higher number than the line that it was split off.
    for line in order.lines.iter().rev() {
        let Some(part) = line.part.filter(|part| part.state == OrderLineState::Completed) else {
            continue;
        };
        let of_part = pieces.remove(&line.line_no).unwrap_or_default();
        *pieces.entry(part.from).or_default() += of_part;
    }
    pieces
}

fn delivery_agrees(line: &OrderLine, delivery: DeliveryState) -> bool {
    use DeliveryState::{Cancelled, Confirmed, Delivered, Delivering, Held, Prepared};
    match line.state {
        OrderLineState::Ordered => delivery == Prepared,
        OrderLineState::Accepted => matches!(delivery, Prepared | Delivering | Delivered),
        OrderLineState::Canceling => {
            delivery == Held && line.cancel_request.is_some_and(|request| request.held_at.is_some())
        }
        OrderLineState::Cancelled | OrderLineState::Rejected => delivery == Cancelled,
        OrderLineState::Completed
        | OrderLineState::ReturnRequested
        | OrderLineState::Returned
        | OrderLineState::Other => delivery == Confirmed,
    }
}
