//! Every crash point of a payment: each request of each handler fails before and after it did something, one at a time
//! and in pairs; messages are doubled and overtake each other in every order of their steps. Then everything is
//! delivered until it is quiet, and the money has to be right.

use crate::simulation::{
    CrashPoint, CrashTiming, Event, Event::OrderCancelled, Event::StockReserved, IN_TIME,
    InterleavingExplorer, MessageDelivery, Simulation, TOO_LATE, ready,
};
use rialto_payments::domain::{
    intent::{DeclineCode, IntentState},
    payment::{Payment, PaymentState},
};

/// Ways to pay, and how an order that isn't cancelled ends.
pub(crate) const METHODS: [(&str, PaymentState); 8] = [
    ("pm_card_visa", PaymentState::Captured),
    ("pm_sim_lost", PaymentState::Captured),
    ("pm_sim_flaky", PaymentState::Captured),
    ("pm_sim_slow", PaymentState::Captured),
    ("pm_card_chargeDeclined", PaymentState::Failed),
    ("pm_card_chargeDeclinedInsufficientFunds", PaymentState::Failed),
    ("pm_card_authenticationRequired", PaymentState::Failed),
    ("pm_nobody_knows", PaymentState::Failed),
];

/// All crashes of an attempt, as long as `run` says that they happen.
pub(crate) fn each_crash(mut run: impl FnMut(CrashPoint) -> bool) -> u32 {
    let mut crashes = 0;
    for request in 0.. {
        let before = run((request, CrashTiming::Before));
        let after = run((request, CrashTiming::After));
        assert_eq!(before, after);
        if !before {
            break;
        }
        crashes += 2;
    }
    crashes
}

/// Delivers these one after the other, then checks what must always be true.
fn deliver(world: &Simulation, messages: &[MessageDelivery]) -> (Payment, bool) {
    let mut all_crashed = true;
    for message in messages {
        all_crashed &= ready(world.deliver(message));
    }
    let events: Vec<Event> = messages.iter().map(|message| message.event).collect();
    let payment = world.check(events.contains(&OrderCancelled));
    world.check_repetition(&events);
    (payment, all_crashed)
}

#[test]
fn a_charge_survives_a_crash_at_every_point_and_at_every_pair_of_points() {
    for (method, end) in METHODS {
        let mut pairs = 0;
        let crashes = each_crash(|first| {
            let crash = |crashes: &[CrashPoint]| {
                let world = Simulation::new(method);
                let (payment, crashed) =
                    deliver(&world, &[MessageDelivery::new(StockReserved).crashing(crashes)]);
                assert_eq!(payment.state, end, "{method} {crashes:?}");
                crashed
            };
            pairs += each_crash(|second| crash(&[first, second]));
            crash(&[first])
        });
        assert!(crashes >= 6 && pairs >= crashes, "{method}: {crashes} crashes, {pairs} pairs");
    }
}

#[test]
fn a_cancellation_after_the_charge_survives_a_crash_at_every_point_and_pair() {
    for (method, end) in METHODS {
        let end = if end == PaymentState::Captured { PaymentState::Refunded } else { end };
        each_crash(|first| {
            let crash = |crashes: &[CrashPoint]| {
                let messages = [
                    MessageDelivery::new(StockReserved),
                    MessageDelivery::new(OrderCancelled).crashing(crashes),
                ];
                let (payment, crashed) = deliver(&Simulation::new(method), &messages);
                assert_eq!(payment.state, end, "{method} {crashes:?}");
                crashed
            };
            each_crash(|second| crash(&[first, second]));
            crash(&[first])
        });
    }
}

#[test]
fn a_cancellation_before_the_charge_leaves_nothing_to_charge_wherever_it_crashes() {
    each_crash(|crash| {
        let world = Simulation::new("pm_card_visa");
        let messages = [
            MessageDelivery::new(OrderCancelled).crashing(&[crash]),
            MessageDelivery::new(StockReserved).crashing(&[crash]),
        ];
        let mut crashed = false;
        for message in &messages {
            crashed |= ready(world.deliver(message));
        }
        assert_eq!(world.check(true).state, PaymentState::Voided);
        assert_eq!(world.announced(), [""; 0]);
        crashed
    });
}

#[test]
fn nothing_is_repeated_though_the_provider_forgets_its_keys() {
    for (method, _) in METHODS {
        for event in [StockReserved, OrderCancelled] {
            each_crash(|crash| {
                let forgetting = |of| {
                    let message =
                        MessageDelivery { keys_forgotten: true, ..MessageDelivery::new(of) };
                    if of == event { message.crashing(&[crash]) } else { message }
                };
                deliver(
                    &Simulation::new(method),
                    &[forgetting(StockReserved), forgetting(OrderCancelled)],
                )
                .1
            });
        }
    }
}

/// Runs these in every order of their steps, with every crash of every one of them.
fn interleave(method: &'static str, events: &[Event], interruptions: usize, crashing: bool) -> u32 {
    let mut runs = 0;
    let mut run = |messages: &[MessageDelivery]| {
        let mut schedules = InterleavingExplorer::new(interruptions);
        let mut ever_crashed = false;
        loop {
            let world = Simulation::new(method);
            ever_crashed |= schedules.run(&world, messages);
            world.check(events.contains(&OrderCancelled));
            world.check_repetition(events);
            runs += 1;
            if !schedules.next() {
                return ever_crashed;
            }
        }
    };
    let messages: Vec<MessageDelivery> =
        events.iter().map(|event| MessageDelivery::new(*event)).collect();
    run(&messages);
    for at in 0..if crashing { events.len() } else { 0 } {
        each_crash(|crash| {
            let mut messages = messages.clone();
            messages[at] = messages[at].clone().crashing(&[crash]);
            run(&messages)
        });
    }
    runs
}

#[test]
fn a_cancellation_at_every_point_of_a_charge_leaves_no_money() {
    for (method, _) in METHODS {
        let runs = interleave(method, &[StockReserved, OrderCancelled], usize::MAX, false);
        assert!(runs > 5, "{method}: {runs}");
    }
}

#[test]
fn a_cancellation_at_every_point_of_a_charge_that_crashes_leaves_no_money() {
    for method in ["pm_card_visa", "pm_card_chargeDeclined", "pm_sim_lost"] {
        let runs = interleave(method, &[StockReserved, OrderCancelled], usize::MAX, true);
        assert!(runs > 500, "{method}: {runs}");
    }
}

#[test]
fn two_deliveries_at_once_charge_once() {
    for (method, end) in METHODS {
        let runs = interleave(method, &[StockReserved, StockReserved], 4, false);
        assert!(runs > 10, "{method}: {runs}");
        if end == PaymentState::Captured && method != "pm_sim_flaky" {
            interleave(method, &[StockReserved, StockReserved], 2, true);
        }
    }
}

#[test]
fn two_deliveries_and_two_cancellations_at_once_leave_no_money() {
    let events = [StockReserved, OrderCancelled, StockReserved, OrderCancelled];
    for method in ["pm_card_visa", "pm_card_chargeDeclined", "pm_sim_lost"] {
        let runs = interleave(method, &events, 2, false);
        assert!(runs > 1_000, "{method}: {runs}");
    }
    let runs = interleave("pm_card_visa", &events, 1, true);
    assert!(runs > 10_000, "{runs}");
}

#[test]
fn a_charge_that_was_not_begun_in_time_waits_for_its_cancellation() {
    let world = Simulation::new("pm_card_visa");
    let late = MessageDelivery { times: vec![TOO_LATE], ..MessageDelivery::new(StockReserved) };
    ready(world.deliver(&late));
    assert_eq!(world.check(false).state, PaymentState::Pending);
    assert_eq!(world.announced(), [""; 0]);
    ready(world.deliver(&MessageDelivery::new(OrderCancelled)));
    assert_eq!(world.check(true).state, PaymentState::Voided);
}

#[test]
fn what_was_begun_in_time_is_ended_too_late_without_a_new_charge() {
    for (method, _) in METHODS {
        each_crash(|crash| {
            let world = Simulation::new(method);
            let message = MessageDelivery {
                times: vec![IN_TIME, TOO_LATE],
                ..MessageDelivery::new(StockReserved).crashing(&[crash])
            };
            let crashed = ready(world.deliver(&message));
            let charged_before = !world.provider.charges(world.order).is_empty();
            let payment = world.check(false);
            match payment.state {
                PaymentState::Pending => assert_eq!(payment.intent_id, None),
                PaymentState::Captured => assert!(charged_before),
                PaymentState::Failed => assert!(!charged_before),
                state => panic!("{method} {crash:?}: {state:?}"),
            }
            ready(world.deliver(&MessageDelivery {
                times: vec![TOO_LATE],
                ..MessageDelivery::new(OrderCancelled)
            }));
            world.check(true);
            crashed
        });
    }
    let world = Simulation::new("pm_card_visa");
    let message = MessageDelivery {
        times: vec![IN_TIME, TOO_LATE],
        ..MessageDelivery::new(StockReserved).crashing(&[(3, CrashTiming::Before)])
    };
    ready(world.deliver(&message));
    let payment = world.check(false);
    assert_eq!(
        (payment.state, payment.reason),
        (PaymentState::Failed, Some(DeclineCode::new("canceled")))
    );
}

#[test]
fn what_the_provider_decides_later_is_left_until_then() {
    let declined = || IntentState::Failed { reason: DeclineCode::new("generic_decline") };
    for (decision, cancelled, end) in [
        (IntentState::Succeeded, false, PaymentState::Captured),
        (IntentState::Succeeded, true, PaymentState::Refunded),
        (declined(), false, PaymentState::Failed),
        (declined(), true, PaymentState::Voided),
    ] {
        let world = Simulation::new("pm_sim_async");
        ready(world.deliver(&MessageDelivery::new(StockReserved)));
        ready(world.deliver(&MessageDelivery::new(StockReserved)));
        if cancelled {
            ready(world.deliver(&MessageDelivery::new(OrderCancelled)));
        }
        let payment = world.payment().unwrap();
        assert_eq!(
            (payment.state, payment.cancel_requested),
            (PaymentState::Processing, cancelled)
        );
        assert_eq!(world.announced(), [""; 0]);

        world.provider.decide(world.order, &decision);
        ready(world.deliver(&MessageDelivery::new(StockReserved)));
        assert_eq!(world.check(cancelled).state, end);
    }
}

#[test]
fn a_refund_that_is_refused_is_due() {
    each_crash(|crash| {
        let world = Simulation::new("pm_card_visa");
        world.provider.refuse_refunds();
        let messages = [
            MessageDelivery::new(StockReserved),
            MessageDelivery::new(OrderCancelled).crashing(&[crash]),
        ];
        let (payment, crashed) = deliver(&world, &messages);
        assert_eq!(
            (payment.state, payment.refund_due()),
            (PaymentState::Captured, payment.captured)
        );
        assert_eq!(world.announced(), ["PaymentCaptured", "RefundFailed"]);
        crashed
    });
}

#[test]
fn a_payment_method_that_nobody_knows_fails_with_the_providers_word() {
    let world = Simulation::new("pm_nobody_knows");
    let (payment, _) = deliver(&world, &[MessageDelivery::new(StockReserved)]);
    assert_eq!(
        (payment.reason, payment.intent_id),
        (Some(DeclineCode::new("resource_missing")), None)
    );
}
