//! Charges that the buyer has to authenticate: accepted, declined, abandoned, cancelled; every
//! crash point, repetition and order of the steps.

use crate::simulation::{
    self, CrashPoint, Event,
    Event::{Accepted, ActionRequired, Declined, OrderCancelled, StockReserved, Swept},
    MessageDelivery, Simulation, TOO_LATE, each_crash, ready,
};
use rialto_payments::{
    domain::{
        intent::{DeclineCode, IntentState},
        payment::{Payment, PaymentState},
    },
    ports::Provider,
};

const THREE_D_SECURE: &str = "pm_sim_3ds";

fn deliver(simulation: &Simulation, events: &[Event]) {
    for event in events {
        ready(simulation.deliver(&MessageDelivery::new(*event)));
    }
}

/// A charge that waits for the buyer.
fn waiting() -> Simulation {
    let simulation = Simulation::new(THREE_D_SECURE);
    deliver(&simulation, &[StockReserved]);
    let payment = simulation.check(false);
    assert_eq!(payment.state, PaymentState::RequiresAction);
    assert_eq!(simulation.published(), ["PaymentActionRequired"]);
    simulation
}

fn intent_state(simulation: &Simulation) -> IntentState {
    let intents = simulation.provider.intents(simulation.order);
    assert_eq!(intents.len(), 1);
    ready(simulation.provider.retrieve_intent(&intents[0])).unwrap()
}

/// Delivers `before`, and `last` with a crash at each pair of points; calls `check` after each.
fn each_pair(before: &[Event], last: Event, check: impl Fn(&Simulation, Payment)) {
    let cancelled = before.contains(&OrderCancelled) || last == OrderCancelled;
    let run = |crashes: &[CrashPoint]| {
        let simulation = Simulation::new(THREE_D_SECURE);
        deliver(&simulation, before);
        let crashed = ready(simulation.deliver(&MessageDelivery::new(last).crashing(crashes)));
        check(&simulation, simulation.check(cancelled));
        simulation.check_repetition(&[last]);
        crashed
    };
    let mut pairs = 0;
    let crashes = each_crash(|first| {
        pairs += each_crash(|second| run(&[first, second]));
        run(&[first])
    });
    assert!(crashes >= 6 && pairs >= crashes, "{crashes} crashes, {pairs} pairs");
}

#[test]
fn a_charge_is_left_to_the_buyer_despite_crashes() {
    each_pair(&[], StockReserved, |simulation, payment| {
        assert_eq!(payment.state, PaymentState::RequiresAction);
        assert_eq!(simulation.published(), ["PaymentActionRequired"]);
        assert_eq!(intent_state(simulation), IntentState::RequiresAction);
    });
}

#[test]
fn an_accepted_charge_is_captured_despite_crashes() {
    each_pair(&[StockReserved], Accepted, |simulation, payment| {
        assert_eq!(payment.state, PaymentState::Captured);
        assert_eq!(simulation.published(), ["PaymentActionRequired", "PaymentCaptured"]);
    });
}

#[test]
fn a_declined_charge_fails_despite_crashes() {
    each_pair(&[StockReserved], Declined, |simulation, payment| {
        let reason = DeclineCode::new("payment_intent_authentication_failure");
        assert_eq!((payment.state, payment.reason), (PaymentState::Failed, Some(reason)));
        assert_eq!(simulation.published(), ["PaymentActionRequired", "PaymentFailed"]);
    });
}

#[test]
fn an_abandoned_charge_expires_despite_crashes() {
    each_pair(&[StockReserved], Swept, |simulation, payment| {
        let reason = DeclineCode::new("expired");
        assert_eq!((payment.state, payment.reason), (PaymentState::Failed, Some(reason)));
        assert_eq!(simulation.published(), ["PaymentActionRequired", "PaymentFailed"]);
        assert_eq!(intent_state(simulation), IntentState::Canceled);
    });
}

#[test]
fn a_cancelled_order_has_its_intent_cancelled_at_once() {
    each_pair(&[StockReserved], OrderCancelled, |simulation, payment| {
        assert_eq!(payment.state, PaymentState::Voided);
        assert_eq!(simulation.published(), ["PaymentActionRequired"]);
        assert_eq!(intent_state(simulation), IntentState::Canceled);
        // The page of a cancelled intent has no effect.
        assert_eq!(simulation.provider.act(simulation.order, true), 0);
    });
}

#[test]
fn a_charge_that_was_accepted_before_a_cancellation_is_refunded() {
    each_crash(|crash| {
        let simulation = waiting();
        assert_eq!(simulation.provider.act(simulation.order, true), 1);
        let crashed =
            ready(simulation.deliver(&MessageDelivery::new(OrderCancelled).crashing(&[crash])));
        assert_eq!(simulation.check(true).state, PaymentState::Refunded);
        simulation.check_repetition(&[Accepted, OrderCancelled, Swept]);
        crashed
    });
}

#[test]
fn a_charge_accepted_after_the_timeout_is_refunded_once() {
    // Whichever sweep comes first: payments' or orders'.
    for before in [&[StockReserved, Swept, OrderCancelled][..], &[StockReserved, OrderCancelled]] {
        each_crash(|crash| {
            let simulation = Simulation::new(THREE_D_SECURE);
            deliver(&simulation, before);
            // No provider should.
            simulation.provider.succeed_cancelled(simulation.order);
            let accepted = MessageDelivery::new(Accepted).crashing(&[crash]);
            let crashed = ready(simulation.deliver(&accepted));
            let payment = simulation.payment().unwrap();
            assert_eq!(payment.state, PaymentState::Refunded);
            assert_eq!(simulation.provider.refunds(simulation.order).len(), 1);
            simulation.check_repetition(&[Accepted, OrderCancelled, Swept]);
            crashed
        });
    }
}

#[test]
fn five_actions_have_one_effect() {
    let simulation = waiting();
    for event in [Accepted, Accepted, Declined, Accepted, Accepted] {
        deliver(&simulation, &[event]);
    }
    assert_eq!(simulation.check(false).state, PaymentState::Captured);
    assert_eq!(simulation.provider.intents(simulation.order).len(), 1);
    assert_eq!(simulation.published(), ["PaymentActionRequired", "PaymentCaptured"]);
}

#[test]
fn a_repeated_event_leaves_the_charge_to_the_buyer() {
    let simulation = waiting();
    simulation.check_repetition(&[StockReserved, StockReserved, ActionRequired]);
    assert_eq!(intent_state(&simulation), IntentState::RequiresAction);
    let late = MessageDelivery { times: vec![TOO_LATE], ..MessageDelivery::new(StockReserved) };
    ready(simulation.deliver(&late));
    let payment = simulation.check(false);
    let reason = DeclineCode::new("expired");
    assert_eq!((payment.state, payment.reason), (PaymentState::Failed, Some(reason)));
    assert_eq!(intent_state(&simulation), IntentState::Canceled);
}

#[test]
fn a_charge_that_needs_the_buyer_too_late_is_cancelled() {
    each_crash(|crash| {
        let simulation = Simulation::new(THREE_D_SECURE);
        assert!(
            simulation
                .abandon(&MessageDelivery::new(StockReserved), (3, simulation::CrashTiming::After))
        );
        let late = MessageDelivery {
            times: vec![TOO_LATE],
            ..MessageDelivery::new(StockReserved).crashing(&[crash])
        };
        let crashed = ready(simulation.deliver(&late));
        assert_eq!(simulation.check(false).state, PaymentState::Failed);
        assert_eq!(simulation.published(), ["PaymentFailed"]);
        crashed
    });
}

#[test]
fn a_charge_may_need_the_provider_after_the_buyer() {
    let simulation = waiting();
    let intent = simulation.payment().unwrap().intent_id.unwrap();
    simulation.provider.set_state(&intent, IntentState::Processing);
    deliver(&simulation, &[ActionRequired]);
    assert_eq!(simulation.check(false).state, PaymentState::Processing);
    simulation.provider.set_state(&intent, IntentState::RequiresAction);
    deliver(&simulation, &[ActionRequired]);
    assert_eq!(simulation.check(false).state, PaymentState::RequiresAction);
    assert_eq!(simulation.published(), ["PaymentActionRequired"]);
    deliver(&simulation, &[Accepted]);
    assert_eq!(simulation.check(false).state, PaymentState::Captured);
}

/// Delivers events in every order of their steps, and then the sweep, which ends the charge.
fn interleave(events: &[Event], interruptions: usize, crashing: bool) -> u32 {
    simulation::interleave(THREE_D_SECURE, events, interruptions, crashing, |simulation| {
        deliver(simulation, &[Swept]);
        assert!(!simulation.payment().unwrap().is_charging());
        let required = |kind: &&String| *kind == "PaymentActionRequired";
        assert!(simulation.published().iter().filter(required).count() <= 1);
    })
}

#[test]
fn concurrent_deliveries_charge_a_3ds_payment_once() {
    let runs = interleave(&[StockReserved, StockReserved], 4, false);
    assert!(runs > 10, "{runs}");
    let runs = interleave(&[StockReserved, Accepted], usize::MAX, true);
    assert!(runs > 100, "{runs}");
    let runs = interleave(&[StockReserved, StockReserved, Accepted, ActionRequired], 2, false);
    assert!(runs > 100, "{runs}");
}

#[test]
fn concurrent_cancellations_of_a_3ds_payment_leave_no_money() {
    let runs = interleave(&[StockReserved, OrderCancelled], usize::MAX, true);
    assert!(runs > 500, "{runs}");
    let runs = interleave(&[StockReserved, OrderCancelled, Accepted], 3, false);
    assert!(runs > 200, "{runs}");
    let runs = interleave(&[StockReserved, OrderCancelled, Accepted, Swept], 1, true);
    assert!(runs > 500, "{runs}");
    let runs = interleave(&[StockReserved, OrderCancelled, Declined, StockReserved], 2, false);
    assert!(runs > 200, "{runs}");
}
