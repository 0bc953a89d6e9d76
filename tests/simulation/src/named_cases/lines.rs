//! Cases about the lines of confirmed orders.

use super::{World, order_with};
use crate::{
    queues::Consumer,
    races::Race,
    workload::{LineAction, LineOperation, LineRequest, Operation},
    world::Source,
};
use rialto_inventory::domain::reserved_line::LineState;
use rialto_orders::domain::order::OrderState;

impl World {
    /// Changes a line, and publishes what orders has written.
    fn change(&mut self, line_no: u32, action: LineAction, pieces: Option<u32>) {
        let request = LineRequest { line_no, action, pieces };
        let key = self.next_invocation;
        self.perform(Operation::Line(LineOperation::new(0, key, Some(request))));
        self.run_invocations();
        while self.has_unpublished(Source::Orders) {
            self.relay(Source::Orders);
        }
    }

    fn handle(&mut self, consumer: Consumer, kind: &str) {
        self.receive_event(consumer, kind);
        self.run_invocations();
    }

    /// The pieces and states of the lines of the order's reservation.
    fn held(&self) -> Vec<(u32, LineState)> {
        let lines = self.inventory.reservations().remove(0).lines;
        lines.iter().map(|line| (line.quantity.get(), line.state)).collect()
    }
}

/// A confirmed order of two pieces, whose confirmation no consumer has received.
fn confirmed() -> World {
    let mut world = order_with("pm_card_visa");
    world.run_until("the order is confirmed", |world| {
        world.orders.orders().iter().any(|order| order.state == OrderState::Confirmed)
    });
    world.run_invocations();
    world
}

#[test]
fn a_line_that_ended_before_its_sale_is_not_sold() {
    let mut world = confirmed();
    world.change(1, LineAction::Reject, None);
    world.handle(Consumer::InventoryOnOrders, "OrderLineRejected");
    assert_eq!(world.held(), [(2, LineState::Released)]);
    world.handle(Consumer::InventoryOnOrders, "OrderConfirmed");
    assert_eq!(world.held(), [(2, LineState::Released)]);
    world.settle_and_check();
    assert_eq!(world.order().state, OrderState::Cancelled);
    assert_eq!(world.races.count(Race::LineEndBeforeSale), 1);
}

#[test]
fn a_split_is_applied_with_whichever_event_comes_first() {
    let mut world = confirmed();
    world.change(1, LineAction::Split, Some(1));
    world.change(2, LineAction::Reject, None);
    world.handle(Consumer::InventoryOnOrders, "OrderLineRejected");
    let expected = [(1, LineState::Reserved), (1, LineState::Released)];
    assert_eq!(world.held(), expected);
    world.handle(Consumer::InventoryOnOrders, "OrderLineSplit");
    assert_eq!(world.held(), expected);
    world.settle_and_check();
    assert_eq!(world.order().state, OrderState::Confirmed);
    assert_eq!(world.money_moves(), (1, 1));
}

#[test]
fn an_order_cancelled_before_its_lines_end_is_refunded_once() {
    let mut world = confirmed();
    world.change(1, LineAction::Reject, None);
    world.handle(Consumer::PaymentsOnOrders, "OrderCancelled");
    world.handle(Consumer::PaymentsOnOrders, "OrderLineRejected");
    world.settle_and_check();
    assert_eq!(world.money_moves(), (1, 1));
    assert_eq!(world.races.count(Race::CancellationBeforeLineEnd), 1);
}

#[test]
fn a_repeated_split_splits_once() {
    let mut world = confirmed();
    let request = LineRequest { line_no: 1, action: LineAction::Split, pieces: Some(1) };
    let operation = Operation::Line(LineOperation::new(0, 7, Some(request)));
    world.perform(operation.clone());
    world.perform(operation);
    world.run_invocations();
    world.settle_and_check();
    assert_eq!(world.order().lines.len(), 2);
    assert_eq!(world.races.count(Race::ConcurrentLineRequests), 1);
}
