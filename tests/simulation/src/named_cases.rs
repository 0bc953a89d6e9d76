//! Mistakes that other systems made, each as a run whose steps are given.

mod disputes;
mod lines;

use crate::{
    check::{lines, snapshot, violations},
    faults::{Faults, Policy},
    io::{Decision, InvocationId, Moment, Ticket},
    queues::{Consumer, MAX_RECEIVES, Rules},
    races::{Race, Races},
    run::run_world,
    workload::{Operation, Workload},
    world::World,
};
use fastrand::Rng;
use rialto_cli::reconcile::{Severity, findings};
use rialto_contracts::orders::CancelReason;
use rialto_inventory::domain::stock::Stock;
use rialto_kernel::OrderId;
use rialto_orders::domain::order::{Order, OrderState};
use rialto_payments::domain::{
    payment::{Payment, PaymentState},
    refund::RefundState,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

const CANCEL: Operation = Operation::Cancel { placement: 0, by_supervisor: false };

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Rules::load()));

/// A world in which everything happens in order, without faults.
fn world(workload: Workload) -> World {
    World::new(Policy::InOrder(BTreeMap::new()), workload, Arc::clone(&RULES), true)
}

/// An order of 2 of 5 pieces.
fn order_with(method: &str) -> World {
    world(Workload::single(method, 2, 5))
}

/// An order whose charge the provider still processes, and that is cancelled meanwhile.
fn cancelled_during_charge() -> World {
    let mut world = order_with("pm_sim_async");
    world.run_until("the charge is processing", |world| {
        world.payments.payments().iter().any(|payment| payment.state == PaymentState::Processing)
    });
    world.drain();
    world.perform(CANCEL);
    world.drain();
    assert_eq!(world.order().state, OrderState::Cancelled);
    world
}

impl World {
    fn run_until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if reached(self) {
                return;
            }
            self.step();
        }
        panic!("never reached: {what}\n{}", self.trace_text());
    }

    /// Runs until an invocation waits at a point.
    fn run_until_at(&mut self, name: &str, moment: Moment) -> (Ticket, InvocationId) {
        self.run_until(name, |world| world.waiting_at(name, moment).is_some());
        self.waiting_at(name, moment).unwrap()
    }

    fn waiting_at(&self, name: &str, moment: Moment) -> Option<(Ticket, InvocationId)> {
        self.board.undecided().into_iter().find_map(|ticket| {
            let (id, point) = self.board.wait(ticket)?;
            (point.name == name && point.moment == moment).then_some((ticket, id))
        })
    }

    fn trace_text(&self) -> String {
        self.trace.as_deref().unwrap_or_default().join("\n")
    }

    /// Receives the message of this type for this consumer.
    fn receive_event(&mut self, consumer: Consumer, kind: &str) {
        let at = self
            .queues
            .messages()
            .iter()
            .position(|message| message.consumer == consumer && message.event.kind == kind);
        self.receive(at.unwrap());
    }

    fn run_invocations(&mut self) {
        self.run_until("no invocation", |world| world.invocations.is_empty());
    }

    /// Settles without any further request, and checks the invariants.
    fn settle_and_check(&mut self) {
        self.stop_traffic();
        self.settle();
        assert_eq!(lines(&violations(self)), "", "{}", self.trace_text());
    }

    fn stop_traffic(&mut self) {
        self.next_operation = self.workload.operations.len();
        for placement in &mut self.workload.placements {
            placement.attempts = 0;
        }
    }

    fn order_id(&self) -> OrderId {
        self.workload.placements[0].order
    }

    fn order(&self) -> Order {
        self.orders.orders().remove(0)
    }

    fn stored_payment(&self) -> Payment {
        self.payments.payments().remove(0)
    }

    fn stock(&self) -> Stock {
        self.inventory.stocks().remove(0)
    }

    /// Charges and refunds of the order at the provider.
    fn money_moves(&self) -> (usize, usize) {
        let order = self.order_id();
        (self.provider.charges(order).len(), self.provider.created_refunds(order))
    }
}

#[test]
fn a_late_event_changes_nothing_in_a_finished_order() {
    let mut world = cancelled_during_charge();
    world.settle_and_check();
    let order = world.order();
    assert_eq!((order.state, order.reason), (OrderState::Cancelled, Some(CancelReason::Buyer)));
    assert!(order.timeline.iter().any(|entry| entry.kind == "PaymentCaptured"), "{order:?}");
    assert_eq!(world.money_moves(), (1, 1));
    assert_eq!(world.races.count(Race::CaptureAfterCancellation), 1);
}

#[test]
fn a_compensation_refunds_the_attempt_that_charged() {
    let mut world = order_with("pm_sim_async");
    let order = world.order_id();
    world.run_until("an unrecorded intent", |world| {
        let created = !world.provider.intents(order).is_empty();
        created && world.waiting_at("payments.save", Moment::Before).is_some()
    });
    let (_, attempt) = world.waiting_at("payments.save", Moment::Before).unwrap();
    world.crash(attempt);
    world.provider.drop_idempotency_keys();
    let unrecorded = world.provider.intents(order).remove(0);
    world.run_until("a second attempt", |world| world.provider.intents(order).len() == 2);
    world.drain();
    let payment = world.stored_payment();
    assert_eq!(payment.state, PaymentState::Processing);
    assert_ne!(payment.intent_id.as_ref(), Some(&unrecorded));
    // A webhook about the first attempt, and a cancellation, which refunds the second.
    world.perform(Operation::Webhook { order, intent: unrecorded, refund: None });
    world.drain();
    assert_eq!(world.stored_payment(), payment);
    world.perform(CANCEL);
    world.settle_and_check();
    assert_eq!(world.money_moves(), (1, 1));
    assert_eq!(world.stored_payment().state, PaymentState::Refunded);
}

#[test]
fn lines_of_one_product_are_reserved_by_their_sum() {
    let mut workload = Workload::single("pm_card_visa", 5, 5);
    // One more of the same product, on a line of its own.
    workload.placements[0].request = workload.placements[0].other_request();
    let mut world = world(workload);
    world.run();
    assert_eq!(lines(&violations(&world)), "");
    assert_eq!(world.order().reason, Some(CancelReason::OutOfStock));
    let stock = world.stock();
    assert_eq!((stock.available, stock.reserved, stock.sold), (5, 0, 0));
    assert_eq!(world.money_moves(), (0, 0));
}

#[test]
fn a_crash_between_charge_and_record_charges_once() {
    let mut world = order_with("pm_card_visa");
    let (_, charging) = world.run_until_at("provider.confirm_intent", Moment::After);
    world.crash(charging);
    world.settle_and_check();
    assert_eq!((world.order().state, world.money_moves()), (OrderState::Confirmed, (1, 0)));
}

#[test]
fn a_crash_between_record_and_event_loses_no_event() {
    let mut world = order_with("pm_card_visa");
    world.run_until("a recorded capture", |world| {
        world.payments.payments().iter().any(|payment| payment.state == PaymentState::Captured)
    });
    let (_, recording) = world.waiting_at("payments.save", Moment::After).unwrap();
    world.crash(recording);
    world.settle_and_check();
    assert_eq!((world.order().state, world.money_moves()), (OrderState::Confirmed, (1, 0)));
}

#[test]
fn a_cancellation_that_overtakes_its_order_is_honoured() {
    let mut world = order_with("pm_card_visa");
    world.run_until("a stored order", |world| {
        !world.orders.orders().is_empty() && world.invocations.is_empty()
    });
    world.perform(CANCEL);
    world.run_invocations();
    world.run_until("both events published", |world| {
        let of = |message: &&crate::queues::QueuedMessage| {
            message.consumer == Consumer::InventoryOnOrders
        };
        world.queues.messages().iter().filter(of).count() == 2 || !world.invocations.is_empty()
    });
    assert!(world.invocations.is_empty(), "{}", world.trace_text());
    world.receive_event(Consumer::InventoryOnOrders, "OrderCancelled");
    world.run_invocations();
    world.receive_event(Consumer::InventoryOnOrders, "OrderPlaced");
    world.settle_and_check();
    assert_eq!(world.races.count(Race::CancellationBeforeReservation), 1);
    let stock = world.stock();
    assert_eq!((stock.available, stock.reserved, stock.sold), (5, 0, 0));
    assert_eq!(world.money_moves(), (0, 0));
}

#[test]
fn a_refund_is_not_repeated_after_a_lost_answer() {
    for keys_are_forgotten in [false, true] {
        let mut world = cancelled_during_charge();
        world.end_charges();
        let (ticket, refunding) = world.run_until_at("provider.create_refund", Moment::After);
        world.board.decide(ticket, Decision::Fail);
        world.poll(refunding);
        if keys_are_forgotten {
            world.provider.drop_idempotency_keys();
        }
        world.settle_and_check();
        assert_eq!(world.money_moves(), (1, 1));
    }
}

#[test]
fn duplicates_change_a_counter_once() {
    let mut world = order_with("pm_card_visa");
    let placed = |world: &World| {
        let of = |message: &crate::queues::QueuedMessage| message.event.kind == "OrderPlaced";
        world.queues.messages().iter().find(|message| of(message)).map(|message| message.id)
    };
    world.run_until("a published order", |world| placed(world).is_some());
    // Two deliveries of one message: both read before either writes.
    world.receive_event(Consumer::InventoryOnOrders, "OrderPlaced");
    world.queues.retry(placed(&world).unwrap(), world.now());
    world.receive_event(Consumer::InventoryOnOrders, "OrderPlaced");
    // Two requests with one key, which also race with the reservation.
    for _ in 0..2 {
        world.adjust_stock(0, 3, "key".to_owned());
    }
    world.run_invocations();
    assert!(world.races.count(Race::ConcurrentDeliveries) > 0);
    assert!(world.races.count(Race::AdjustmentConflict) > 0);
    let stock = world.stock();
    assert_eq!((stock.available, stock.reserved, stock.sold), (6, 2, 0));
    world.settle_and_check();
    let stock = world.stock();
    assert_eq!((stock.available, stock.reserved, stock.sold), (6, 0, 2));
}

#[test]
fn all_writers_of_stock_at_once_lose_no_piece() {
    let mut races = Races::default();
    for seed in 0..60 {
        let mut workload = Workload::single("pm_card_visa", 2, 4);
        for number in 1..7 {
            let mut placement = workload.placements[0].clone();
            let method = if number % 2 == 0 { "pm_card_visa" } else { "pm_card_chargeDeclined" };
            placement = placement.with_key(&format!("key {number}"), method);
            workload.placements.push(placement);
            workload.operations.push(Operation::Place(number));
            let key = format!("adjustment {}", number / 2);
            let quantity = if number % 3 == 0 { -3 } else { 2 };
            workload.operations.push(Operation::AdjustStock { product: 0, quantity, key });
            let placement = number - 1;
            workload.operations.push(Operation::Cancel { placement, by_supervisor: true });
        }
        workload.operations.push(Operation::RegisterProduct(0));
        let policy = Policy::Random(Box::new(Rng::with_seed(seed)), Faults::default());
        let report = run_world(World::new(policy, workload, Arc::clone(&RULES), true));
        assert_eq!(lines(&report.violations), "", "{seed}\n{}", report.trace.join("\n"));
        races.add(&report.races);
    }
    for race in [Race::AdjustmentDuringReservation, Race::AdjustmentConflict, Race::OutOfStock] {
        assert!(races.count(race) > 0, "{race:?}");
    }
}

#[test]
fn a_restart_at_any_step_ends_every_order() {
    for (method, cancel) in
        [("pm_card_visa", false), ("pm_sim_lost", false), ("pm_sim_async", true)]
    {
        let start = || {
            let mut workload = Workload::single(method, 2, 5);
            workload.operations.extend(cancel.then_some(CANCEL));
            world(workload)
        };
        let mut undisturbed = start();
        undisturbed.run();
        for stop in 0..undisturbed.steps {
            let mut world = start();
            for _ in 0..stop {
                world.step();
            }
            world.stop_traffic();
            world.stop_everything();
            world.settle_and_check();
        }
    }
}

#[test]
fn a_refund_refused_ten_times_stays_visible() {
    let mut world = cancelled_during_charge();
    world.provider.refuse_refunds("balance_insufficient");
    world.end_charges();
    for _ in 0..12 {
        world.drain();
        world.advance(Duration::from_secs(7 * 60 * 60));
        world.sweep_payments();
    }
    world.drain();
    let refund = world.stored_payment().refunds.remove(0);
    assert_eq!(refund.state, RefundState::Pending);
    assert!(refund.tries > 10, "{refund:?}");
    let shown = findings(&snapshot(&world), world.now());
    let visible = shown
        .iter()
        .any(|found| found.check == "refunds-settled" && found.standing == Severity::Inconsistent);
    assert!(visible, "{shown:?}");
    world.settle_and_check();
    assert_eq!(world.money_moves(), (1, 1));
}

#[test]
fn a_compensation_that_fails_ten_times_is_a_dead_letter() {
    let mut world = order_with("pm_card_visa");
    world.run_until("a stored order", |world| !world.orders.orders().is_empty());
    world.run_invocations();
    world.perform(CANCEL);
    world.run_invocations();
    let refunding = |world: &World| {
        let (ticket, id) = world.waiting_at("payments.save", Moment::Before)?;
        (world.invocations[&id].function == "payments-on-orders").then_some((ticket, id))
    };
    for _ in 0..MAX_RECEIVES {
        world.run_until("a cancellation", |world| refunding(world).is_some());
        let (ticket, id) = refunding(&world).unwrap();
        world.board.decide(ticket, Decision::Fail);
        world.poll(id);
    }
    world.run_until("a dead letter", |world| !world.queues.dead_letters().is_empty());
    assert!(violations(&world).iter().any(|violation| violation.check == "dead-letters"));
    world.settle_and_check();
    assert_eq!(world.stored_payment().state, PaymentState::Refunded);
    assert_eq!(world.money_moves(), (1, 1));
}
