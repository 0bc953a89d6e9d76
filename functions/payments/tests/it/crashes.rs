//! Every crash point of a payment: each request of each handler fails before or after its effect,
//! singly and in pairs; messages are repeated and interleaved in every order of their steps.
//! Afterwards everything is delivered until it is handled, and the balances must be right.

use crate::simulation::{
    self, CrashPoint, CrashTiming, Event, Event::OrderCancelled, Event::StockReserved, IN_TIME,
    MessageDelivery, Simulation, TOO_LATE, each_crash, ready,
};
use rialto_payments::domain::{
    intent::{DeclineCode, IntentState},
    payment::{Payment, PaymentState},
    refund::RefundState,
};

/// Payment methods, and the final state of a payment whose order isn't cancelled.
pub(crate) const METHODS: [(&str, PaymentState); 7] = [
    ("pm_card_visa", PaymentState::Captured),
    ("pm_sim_lost", PaymentState::Captured),
    ("pm_sim_flaky", PaymentState::Captured),
    ("pm_sim_slow", PaymentState::Captured),
    ("pm_card_chargeDeclined", PaymentState::Failed),
    ("pm_card_chargeDeclinedInsufficientFunds", PaymentState::Failed),
    ("pm_unknown", PaymentState::Failed),
];

/// Delivers messages in sequence and checks the invariants; returns whether all crashes happened.
fn deliver(simulation: &Simulation, messages: &[MessageDelivery]) -> (Payment, bool) {
    let mut all_crashed = true;
    for message in messages {
        all_crashed &= ready(simulation.deliver(message));
    }
    let events: Vec<Event> = messages.iter().map(|message| message.event).collect();
    let payment = simulation.check(events.contains(&OrderCancelled));
    simulation.check_repetition(&events);
    (payment, all_crashed)
}

#[test]
fn a_charge_survives_crashes_at_every_pair_of_points() {
    for (method, expected) in METHODS {
        let mut pairs = 0;
        let crashes = each_crash(|first| {
            let crash = |crashes: &[CrashPoint]| {
                let simulation = Simulation::new(method);
                let (payment, crashed) =
                    deliver(&simulation, &[MessageDelivery::new(StockReserved).crashing(crashes)]);
                assert_eq!(payment.state, expected, "{method} {crashes:?}");
                crashed
            };
            pairs += each_crash(|second| crash(&[first, second]));
            crash(&[first])
        });
        assert!(crashes >= 6 && pairs >= crashes, "{method}: {crashes} crashes, {pairs} pairs");
    }
}

#[test]
fn a_late_cancellation_survives_crashes_at_every_pair_of_points() {
    for (method, expected) in METHODS {
        let expected = match expected {
            PaymentState::Captured => PaymentState::Refunded,
            other => other,
        };
        each_crash(|first| {
            let crash = |crashes: &[CrashPoint]| {
                let messages = [
                    MessageDelivery::new(StockReserved),
                    MessageDelivery::new(OrderCancelled).crashing(crashes),
                ];
                let (payment, crashed) = deliver(&Simulation::new(method), &messages);
                assert_eq!(payment.state, expected, "{method} {crashes:?}");
                crashed
            };
            each_crash(|second| crash(&[first, second]));
            crash(&[first])
        });
    }
}

#[test]
fn a_crashing_cancellation_before_the_charge_prevents_it() {
    each_crash(|crash| {
        let simulation = Simulation::new("pm_card_visa");
        let messages = [
            MessageDelivery::new(OrderCancelled).crashing(&[crash]),
            MessageDelivery::new(StockReserved).crashing(&[crash]),
        ];
        let mut crashed = false;
        for message in &messages {
            crashed |= ready(simulation.deliver(message));
        }
        assert_eq!(simulation.check(true).state, PaymentState::Voided);
        assert_eq!(simulation.published(), [""; 0]);
        crashed
    });
}

#[test]
fn charges_are_not_repeated_without_idempotency_keys() {
    for (method, _) in METHODS {
        for event in [StockReserved, OrderCancelled] {
            each_crash(|crash| {
                let without_keys = |of| {
                    let message = MessageDelivery {
                        idempotency_keys_dropped: true,
                        ..MessageDelivery::new(of)
                    };
                    if of == event { message.crashing(&[crash]) } else { message }
                };
                deliver(
                    &Simulation::new(method),
                    &[without_keys(StockReserved), without_keys(OrderCancelled)],
                )
                .1
            });
        }
    }
}

fn interleave(method: &'static str, events: &[Event], interruptions: usize, crashing: bool) -> u32 {
    simulation::interleave(method, events, interruptions, crashing, |_| ())
}

#[test]
fn a_cancellation_during_a_charge_leaves_no_money() {
    for (method, _) in METHODS {
        let runs = interleave(method, &[StockReserved, OrderCancelled], usize::MAX, false);
        assert!(runs > 5, "{method}: {runs}");
    }
}

#[test]
fn a_cancellation_during_a_crashing_charge_leaves_no_money() {
    for method in ["pm_card_visa", "pm_card_chargeDeclined", "pm_sim_lost"] {
        let runs = interleave(method, &[StockReserved, OrderCancelled], usize::MAX, true);
        assert!(runs > 500, "{method}: {runs}");
    }
}

#[test]
fn concurrent_deliveries_charge_once() {
    for (method, expected) in METHODS {
        let runs = interleave(method, &[StockReserved, StockReserved], 4, false);
        assert!(runs > 10, "{method}: {runs}");
        if expected == PaymentState::Captured && method != "pm_sim_flaky" {
            interleave(method, &[StockReserved, StockReserved], 2, true);
        }
    }
}

#[test]
fn concurrent_deliveries_of_both_events_leave_no_money() {
    let events = [StockReserved, OrderCancelled, StockReserved, OrderCancelled];
    for method in ["pm_card_visa", "pm_card_chargeDeclined", "pm_sim_lost"] {
        let runs = interleave(method, &events, 2, false);
        assert!(runs > 1_000, "{method}: {runs}");
    }
    let runs = interleave("pm_card_visa", &events, 1, true);
    assert!(runs > 10_000, "{runs}");
}

#[test]
fn a_charge_not_started_in_time_waits_for_its_cancellation() {
    let simulation = Simulation::new("pm_card_visa");
    let late = MessageDelivery { times: vec![TOO_LATE], ..MessageDelivery::new(StockReserved) };
    ready(simulation.deliver(&late));
    assert_eq!(simulation.check(false).state, PaymentState::Pending);
    assert_eq!(simulation.published(), [""; 0]);
    ready(simulation.deliver(&MessageDelivery::new(OrderCancelled)));
    assert_eq!(simulation.check(true).state, PaymentState::Voided);
}

#[test]
fn a_charge_settled_after_its_deadline_is_not_repeated() {
    for (method, _) in METHODS {
        each_crash(|crash| {
            let simulation = Simulation::new(method);
            let message = MessageDelivery {
                times: vec![IN_TIME, TOO_LATE],
                ..MessageDelivery::new(StockReserved).crashing(&[crash])
            };
            let crashed = ready(simulation.deliver(&message));
            let charged_before = !simulation.provider.charges(simulation.order).is_empty();
            let payment = simulation.check(false);
            match payment.state {
                PaymentState::Pending => assert_eq!(payment.intent_id, None),
                PaymentState::Captured => assert!(charged_before),
                PaymentState::Failed => assert!(!charged_before),
                state => panic!("{method} {crash:?}: {state:?}"),
            }
            ready(simulation.deliver(&MessageDelivery {
                times: vec![TOO_LATE],
                ..MessageDelivery::new(OrderCancelled)
            }));
            simulation.check(true);
            crashed
        });
    }
    let simulation = Simulation::new("pm_card_visa");
    let message = MessageDelivery {
        times: vec![IN_TIME, TOO_LATE],
        ..MessageDelivery::new(StockReserved).crashing(&[(3, CrashTiming::Before)])
    };
    ready(simulation.deliver(&message));
    let payment = simulation.check(false);
    assert_eq!(
        (payment.state, payment.reason),
        (PaymentState::Failed, Some(DeclineCode::new("expired")))
    );
}

#[test]
fn processing_charges_stay_open_until_the_provider_decides() {
    let declined = || IntentState::Failed { reason: DeclineCode::new("generic_decline") };
    for (outcome, cancelled, expected) in [
        (IntentState::Succeeded, false, PaymentState::Captured),
        (IntentState::Succeeded, true, PaymentState::Refunded),
        (declined(), false, PaymentState::Failed),
        (declined(), true, PaymentState::Voided),
    ] {
        let simulation = Simulation::new("pm_sim_async");
        ready(simulation.deliver(&MessageDelivery::new(StockReserved)));
        ready(simulation.deliver(&MessageDelivery::new(StockReserved)));
        if cancelled {
            ready(simulation.deliver(&MessageDelivery::new(OrderCancelled)));
        }
        let payment = simulation.payment().unwrap();
        assert_eq!(
            (payment.state, payment.cancel_requested),
            (PaymentState::Processing, cancelled)
        );
        assert_eq!(simulation.published(), [""; 0]);

        simulation.provider.end_processing(simulation.order, &outcome);
        ready(simulation.deliver(&MessageDelivery::new(StockReserved)));
        assert_eq!(simulation.check(cancelled).state, expected);
    }
}

#[test]
fn a_refused_refund_stays_due() {
    each_crash(|crash| {
        let simulation = Simulation::new("pm_card_visa");
        simulation.provider.refuse_refunds("expired_or_canceled_card");
        let messages = [
            MessageDelivery::new(StockReserved),
            MessageDelivery::new(OrderCancelled).crashing(&[crash]),
        ];
        let (payment, crashed) = deliver(&simulation, &messages);
        assert_eq!(
            (payment.state, payment.refund_due()),
            (PaymentState::Captured, payment.captured)
        );
        assert_eq!(simulation.published(), ["PaymentCaptured", "RefundFailed"]);
        crashed
    });
}

#[test]
fn a_refund_without_balance_is_tried_again_under_another_key() {
    each_crash(|crash| {
        let simulation = Simulation::new("pm_card_visa");
        simulation.provider.refuse_refunds("balance_insufficient");
        ready(simulation.deliver(&MessageDelivery::new(StockReserved)));
        ready(simulation.deliver(&MessageDelivery::new(OrderCancelled)));
        let waiting = simulation.payment().unwrap();
        assert_eq!((waiting.refunds[0].state, waiting.refunds[0].tries), (RefundState::Pending, 2));
        assert_eq!(simulation.published(), ["PaymentCaptured"]);
        simulation.check_repetition(&[OrderCancelled]);

        simulation.provider.accept_refunds();
        let next_try = waiting.refunds[0].retry_at.unwrap();
        assert_eq!(waiting.deadline(), Some(next_try));
        let swept = MessageDelivery { times: vec![next_try], ..MessageDelivery::new(Event::Swept) };
        let crashed = ready(simulation.deliver(&swept.crashing(&[crash])));
        assert_eq!(simulation.check(true).state, PaymentState::Refunded);
        crashed
    });
}

#[test]
fn an_unknown_payment_method_fails_with_the_providers_code() {
    let simulation = Simulation::new("pm_unknown");
    let (payment, _) = deliver(&simulation, &[MessageDelivery::new(StockReserved)]);
    assert_eq!(
        (payment.reason, payment.intent_id),
        (Some(DeclineCode::new("resource_missing")), None)
    );
}
