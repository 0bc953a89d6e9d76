//! Cases about disputes of an order's charge.

use super::{World, order_with};
use crate::{
    io::{InvocationId, Moment},
    workload::{
        DeliveryAction, DeliveryOperation, LineAction, LineOperation, LineRequest, Operation,
    },
};
use rialto_kernel::Amount;
use rialto_payments::domain::dispute::{DisputeId, DisputeStanding};

impl World {
    /// Requests a change of line 1, and lets everything happen that follows.
    fn request(&mut self, action: LineAction) {
        let request = LineRequest { line_no: 1, action, pieces: None };
        let key = self.next_invocation;
        self.perform(Operation::Line(LineOperation::new(0, key, Some(request))));
        self.drain();
    }

    /// Reports line 1's delivery, and lets everything happen that follows.
    fn report(&mut self, action: DeliveryAction) {
        let key = self.next_invocation;
        self.perform(Operation::Deliver(DeliveryOperation::new(0, key, Some((1, action)))));
        self.drain();
    }

    /// The bank disputes the whole charge.
    fn open_dispute_of_all(&mut self) -> DisputeId {
        let (order, all) = (self.order_id(), self.stored_payment().captured);
        self.provider.open_dispute(order, all).unwrap()
    }

    /// The provider's webhook about a dispute is handled.
    fn notify(&mut self, dispute: &DisputeId) {
        let (order, dispute) = (self.order_id(), dispute.clone());
        self.perform(Operation::DisputeWebhook { order, dispute });
        self.drain();
    }

    /// Runs one invocation to its end, while the others wait.
    fn finish(&mut self, id: InvocationId) {
        while self.invocations.contains_key(&id) {
            let of = |ticket: &u32| self.board.wait(*ticket).is_some_and(|(of, _)| of == id);
            let ticket = self.board.undecided().into_iter().find(of).unwrap();
            self.decide(ticket);
        }
    }
}

/// A completed order of one line.
fn received() -> World {
    let mut world = order_with("pm_card_visa");
    world.run();
    world.request(LineAction::Accept);
    for action in [DeliveryAction::Start, DeliveryAction::Complete, DeliveryAction::ConfirmReceipt]
    {
        world.report(action);
    }
    world
}

const HALF: LineAction = LineAction::ConfirmReturn { restock: false, percent: Some(50) };

/// The bank decides; returns what the provider has refunded, and what the dispute has settled.
fn decide(world: &mut World, dispute: &DisputeId, won: bool) -> (Amount, Amount) {
    world.provider.close_dispute(dispute, won);
    world.notify(dispute);
    world.settle_and_check();
    let stock = world.stock();
    assert_eq!((stock.available, stock.reserved, stock.sold), (3, 0, 0));
    let payment = world.stored_payment();
    (payment.refunded(), payment.settled())
}

#[test]
fn a_dispute_around_a_return_moves_no_stock() {
    // The request and the confirmation of the return, before the dispute or after it began.
    for (steps_before, won) in (0..=2).flat_map(|steps| [(steps, true), (steps, false)]) {
        let mut world = received();
        let actions = [LineAction::Return, HALF];
        let half = Amount::new(world.stored_payment().captured.minor_units() / 2).unwrap();
        let (before, after) = actions.split_at(steps_before);
        before.iter().for_each(|action| world.request(*action));
        let dispute = world.open_dispute_of_all();
        world.notify(&dispute);
        after.iter().for_each(|action| world.request(*action));
        let refunded_before = steps_before == 2;
        assert_eq!(world.money_moves(), (1, usize::from(refunded_before)));
        let by_provider = won || refunded_before;
        let expected = if by_provider { (half, Amount::ZERO) } else { (Amount::ZERO, half) };
        assert_eq!(decide(&mut world, &dispute, won), expected);
    }
}

#[test]
fn a_decision_is_kept_when_an_older_report_is_recorded_last() {
    let mut world = received();
    let (order, dispute) = (world.order_id(), world.open_dispute_of_all());
    world.notify(&dispute);
    world.perform(Operation::DisputeWebhook { order, dispute: dispute.clone() });
    let (_, late) = world.run_until_at("provider.intent_order", Moment::Before);
    world.provider.close_dispute(&dispute, true);
    world.perform(Operation::DisputeWebhook { order, dispute: dispute.clone() });
    world.finish(world.next_invocation);
    world.finish(late);
    let recorded = world.stored_payment().disputes.remove(0);
    assert_eq!((recorded.state, recorded.withdrawn), (DisputeStanding::Won, Amount::ZERO));
    world.settle_and_check();
}
