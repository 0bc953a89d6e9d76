//! Further attempts to pay after a failure: each crash point, at once, repeated, and with late
//! successes of earlier ones.

use crate::simulation::{
    CrashPoint, Event,
    Event::{Accepted, Notified, OrderCancelled, PaidAgain, StockReserved, Swept},
    FixedClock, IN_TIME, InterleavingExplorer, MessageDelivery, Simulation, TOO_LATE, each_crash,
    ready,
};
use rialto_kernel::Amount;
use rialto_payments::{
    application::pay_again::{PaidAgain as Paid, PayAgain, PayAgainError, pay_again},
    domain::{
        intent::{IntentId, IntentState},
        ledger::LedgerAccount,
        payment::{MAX_PAYMENT_ATTEMPTS, Payment, PaymentState},
        refund::RefundState,
    },
    ports::{LedgerReader, Provider},
};
use std::time::Duration;

const DECLINED: &str = "pm_card_chargeDeclined";
const VISA: &str = "pm_card_visa";

fn deliver(simulation: &Simulation, events: &[Event]) {
    for event in events {
        ready(simulation.deliver(&MessageDelivery::new(*event)));
    }
}

/// A payment that may be paid again, after this method was declined.
fn failed() -> Simulation {
    let simulation = Simulation::retryable(DECLINED);
    deliver(&simulation, &[StockReserved]);
    let payment = check(&simulation);
    assert_eq!((payment.state, payment.retry_until), (PaymentState::Failed, Some(TOO_LATE)));
    simulation
}

fn pay(simulation: &Simulation, method: &str, key: &str) -> Result<Paid, PayAgainError> {
    let request =
        PayAgain { order: simulation.order, payment_method: method, idempotency_key: key };
    let (store, provider) = (&simulation.store, &simulation.provider);
    ready(pay_again(store, provider, &request, |_| true, None, &FixedClock(IN_TIME)))
}

fn intent(simulation: &Simulation, attempt: u32) -> IntentId {
    simulation.payment().unwrap().intent_of(attempt).unwrap().clone()
}

fn sum(amounts: &[Amount]) -> i64 {
    amounts.iter().map(|amount| amount.minor_units()).sum()
}

/// Checks that the payment, its ledger and the provider agree.
#[track_caller]
fn check(simulation: &Simulation) -> Payment {
    let payment = simulation.payment().unwrap();
    assert!(payment.unfinished_refund().is_none(), "{payment:?}");
    let issued = payment.refunds.iter().filter(|refund| refund.state == RefundState::Issued);
    let issued: i64 = issued.map(|refund| refund.amount.minor_units()).sum();
    let surplus = payment.refunds.iter().filter(|refund| refund.attempt.is_some());
    let surplus: i64 = surplus.map(|refund| refund.amount.minor_units()).sum();
    let charged = sum(&simulation.provider.charges(simulation.order));
    assert_eq!(charged, payment.captured.minor_units() + surplus, "{payment:?}");
    assert_eq!(sum(&simulation.provider.refunds(simulation.order)), issued, "{payment:?}");
    let entries = ready(simulation.store.entries(simulation.order)).unwrap();
    let postings = entries.iter().flat_map(|entry| &entry.postings);
    let shop = postings.filter(|posting| posting.account == LedgerAccount::Shop);
    let shop: i64 = shop.map(|posting| posting.amount).sum();
    assert_eq!(shop, charged - issued, "{entries:?}");
    let published = simulation.published();
    let count = |kind: &str| published.iter().filter(|name| *name == kind).count();
    assert_eq!(count("PaymentFailed"), payment.published_failures(), "{published:?}");
    assert_eq!(count("PaymentCaptured"), usize::from(payment.published_capture()));
    assert_eq!(count("PaymentActionRequired"), payment.published_actions());
    payment
}

#[test]
fn a_further_attempt_pays_despite_crashes() {
    for (method, state) in [
        (VISA, PaymentState::Captured),
        ("pm_sim_lost", PaymentState::Captured),
        ("pm_sim_flaky", PaymentState::Captured),
        (DECLINED, PaymentState::Failed),
        ("pm_unknown", PaymentState::Failed),
        ("pm_sim_3ds", PaymentState::RequiresAction),
        ("pm_sim_async", PaymentState::Processing),
    ] {
        let run = |crashes: &[CrashPoint]| {
            let simulation = Simulation::lasting(DECLINED);
            deliver(&simulation, &[StockReserved]);
            let message = MessageDelivery::new(PaidAgain(method, "k")).crashing(crashes);
            let crashed = ready(simulation.deliver(&message));
            // What the request left behind is taken further a minute later.
            let times = vec![IN_TIME.plus(Duration::from_secs(60))];
            ready(simulation.deliver(&MessageDelivery { times, ..MessageDelivery::new(Swept) }));
            let payment = check(&simulation);
            assert_eq!(payment.state, state, "{method} {crashes:?}");
            assert_eq!(payment.attempt(), 2);
            assert!(simulation.provider.intents(simulation.order).len() <= 2);
            let first = ready(simulation.provider.retrieve_intent(&intent(&simulation, 1)));
            assert_eq!(first, Ok(IntentState::Canceled), "{method} {crashes:?}");
            crashed
        };
        let mut pairs = 0;
        let crashes = each_crash(|first| {
            pairs += each_crash(|second| run(&[first, second]));
            run(&[first])
        });
        assert!(crashes >= 6 && pairs >= crashes, "{method}: {crashes} crashes, {pairs} pairs");
    }
}

#[test]
fn a_request_is_answered_as_before_under_its_key() {
    let simulation = failed();
    let first = pay(&simulation, VISA, "k").unwrap();
    assert_eq!((first.payment.state, first.replayed), (PaymentState::Captured, false));
    let again = pay(&simulation, VISA, "k").unwrap();
    assert_eq!((again.payment, again.replayed), (first.payment, true));
    assert!(matches!(pay(&simulation, DECLINED, "k"), Err(PayAgainError::KeyReused)));
    let captured = pay(&simulation, VISA, "k2");
    assert!(matches!(captured, Err(PayAgainError::NotRetryable(PaymentState::Captured))));
    // With the payment as it is then.
    deliver(&simulation, &[OrderCancelled]);
    let again = pay(&simulation, VISA, "k").unwrap();
    assert_eq!((again.payment.state, again.replayed), (PaymentState::Refunded, true));
    assert_eq!(check(&simulation).attempt(), 2);
}

#[test]
fn only_a_failed_payment_with_time_left_is_paid_again() {
    let unpaid = Simulation::retryable(DECLINED);
    assert!(matches!(pay(&unpaid, VISA, "k"), Err(PayAgainError::NotFound)));
    deliver(&unpaid, &[OrderCancelled]);
    assert!(matches!(pay(&unpaid, VISA, "k"), Err(PayAgainError::NotFound)));

    let final_failure = Simulation::new(DECLINED);
    deliver(&final_failure, &[StockReserved]);
    let voided = failed();
    deliver(&voided, &[OrderCancelled]);
    let ended = failed();
    deliver(&ended, &[Swept]);
    let waiting = Simulation::retryable("pm_sim_3ds");
    deliver(&waiting, &[StockReserved]);
    for (simulation, state) in [
        (final_failure, PaymentState::Failed),
        (voided, PaymentState::Voided),
        (ended, PaymentState::Failed),
        (waiting, PaymentState::RequiresAction),
    ] {
        let before = (simulation.payment(), simulation.published());
        match pay(&simulation, VISA, "k") {
            Err(PayAgainError::NotRetryable(found)) => assert_eq!(found, state),
            other => panic!("{other:?}"),
        }
        assert_eq!((simulation.payment(), simulation.published()), before);
        check(&simulation);
    }
    let simulation = failed();
    let request = PayAgain { order: simulation.order, payment_method: VISA, idempotency_key: "k" };
    let (store, provider) = (&simulation.store, &simulation.provider);
    let other = ready(pay_again(store, provider, &request, |_| false, None, &FixedClock(IN_TIME)));
    assert!(matches!(other, Err(PayAgainError::NotFound)));
    let late = ready(pay_again(store, provider, &request, |_| true, None, &FixedClock(TOO_LATE)));
    assert!(matches!(late, Err(PayAgainError::NotRetryable(PaymentState::Failed))));
}

#[test]
fn ten_attempts_are_made_at_most() {
    let simulation = failed();
    for number in 2..=MAX_PAYMENT_ATTEMPTS {
        let paid = pay(&simulation, DECLINED, &format!("k{number}")).unwrap();
        assert_eq!(paid.payment.attempt(), number);
        assert_eq!(paid.payment.retry_until.is_some(), number < MAX_PAYMENT_ATTEMPTS);
    }
    assert!(matches!(pay(&simulation, VISA, "k"), Err(PayAgainError::NotRetryable(_))));
    assert_eq!(check(&simulation).published_failures(), 10);
    let events = simulation.store.published_events();
    let attempts: Vec<_> = events.iter().map(|event| event.data["attempt"].clone()).collect();
    assert_eq!(attempts, (1..=10).collect::<Vec<_>>());
}

#[test]
fn the_time_to_pay_again_ends_despite_crashes() {
    each_crash(|crash| {
        let simulation = failed();
        let crashed = ready(simulation.deliver(&MessageDelivery::new(Swept).crashing(&[crash])));
        let payment = check(&simulation);
        assert_eq!((payment.state, payment.retry_until), (PaymentState::Failed, None));
        assert_eq!(simulation.published(), ["PaymentFailed", "PaymentFailed"]);
        simulation.check_repetition(&[Swept, StockReserved]);
        crashed
    });
    let simulation = failed();
    let early = MessageDelivery { times: vec![IN_TIME], ..MessageDelivery::new(Swept) };
    ready(simulation.deliver(&early));
    assert_eq!(simulation.published(), ["PaymentFailed"]);
}

#[test]
fn a_success_found_before_paying_again_is_the_capture() {
    each_crash(|crash| {
        let simulation = failed();
        simulation.provider.set_state(&intent(&simulation, 1), IntentState::Succeeded);
        let message = MessageDelivery::new(PaidAgain(VISA, "k")).crashing(&[crash]);
        let crashed = ready(simulation.deliver(&message));
        let payment = check(&simulation);
        assert_eq!((payment.state, payment.attempt()), (PaymentState::Captured, 1));
        assert_eq!(payment.refunds, []);
        assert_eq!(simulation.published(), ["PaymentFailed", "PaymentCaptured"]);
        crashed
    });
}

#[test]
fn a_late_success_of_a_failed_attempt_is_the_capture() {
    for attempt in [1, 2] {
        let simulation = failed();
        pay(&simulation, DECLINED, "k").unwrap();
        simulation.provider.set_state(&intent(&simulation, attempt), IntentState::Succeeded);
        deliver(&simulation, &[Notified(attempt), Notified(attempt)]);
        let payment = check(&simulation);
        assert_eq!((payment.state, &payment.refunds[..]), (PaymentState::Captured, &[][..]));
        deliver(&simulation, &[OrderCancelled]);
        assert_eq!(check(&simulation).state, PaymentState::Refunded);
    }
}

#[test]
fn a_first_success_after_the_second_is_refunded_on_its_own() {
    each_crash(|crash| {
        let simulation = failed();
        pay(&simulation, VISA, "k").unwrap();
        simulation.provider.set_state(&intent(&simulation, 1), IntentState::Succeeded);
        let message = MessageDelivery::new(Notified(1)).crashing(&[crash]);
        let crashed = ready(simulation.deliver(&message));
        deliver(&simulation, &[Notified(1), Notified(2)]);
        let payment = check(&simulation);
        assert_eq!(payment.state, PaymentState::Captured);
        assert_eq!(payment.refunds.len(), 1);
        assert_eq!(payment.refunds[0].key, format!("{}#attempt#1", payment.order_id));
        assert_eq!((payment.refunded(), payment.refundable()), (Amount::ZERO, payment.captured));
        assert_eq!(simulation.published(), ["PaymentFailed", "PaymentCaptured", "RefundIssued"]);
        crashed
    });
}

#[test]
fn a_success_of_the_first_cancels_the_second() {
    for (method, paid) in [("pm_sim_3ds", 1), ("pm_sim_async", 1)] {
        each_crash(|crash| {
            let simulation = failed();
            pay(&simulation, method, "k").unwrap();
            simulation.provider.set_state(&intent(&simulation, 1), IntentState::Succeeded);
            let message = MessageDelivery::new(Notified(1)).crashing(&[crash]);
            let crashed = ready(simulation.deliver(&message));
            let payment = check(&simulation);
            assert_eq!(
                (payment.state, payment.captured_attempt),
                (PaymentState::Captured, Some(1))
            );
            let second = ready(simulation.provider.retrieve_intent(&intent(&simulation, 2)));
            assert_eq!(second, Ok(IntentState::Canceled));
            assert_eq!(simulation.provider.charges(simulation.order).len(), paid);
            crashed
        });
    }
}

#[test]
fn the_buyer_authenticates_a_further_attempt() {
    let simulation = failed();
    let paid = pay(&simulation, "pm_sim_3ds", "k").unwrap();
    assert_eq!(paid.payment.state, PaymentState::RequiresAction);
    let events = simulation.store.published_events();
    assert_eq!(
        (events[1].kind.as_str(), &events[1].data["attempt"]),
        ("PaymentActionRequired", &2.into())
    );
    deliver(&simulation, &[Accepted]);
    // The webhook named the last intent by its id, which may be the first attempt's.
    deliver(&simulation, &[Notified(2)]);
    assert_eq!(check(&simulation).state, PaymentState::Captured);
}

/// Delivers events in every order of their steps, and then what ends the payment.
fn interleave(events: &[Event], interruptions: usize, then: &[Event]) -> u32 {
    let messages: Vec<_> = events.iter().map(|event| MessageDelivery::new(*event)).collect();
    let mut explorer = InterleavingExplorer::new(interruptions);
    let mut runs = 0;
    loop {
        let simulation = failed();
        explorer.run(&simulation, &messages);
        let payment = simulation.payment().unwrap();
        assert!(payment.attempt() <= 2, "{payment:?}");
        deliver(&simulation, then);
        let payment = check(&simulation);
        assert!(!payment.is_charging(), "{payment:?}");
        if events.contains(&OrderCancelled) {
            assert!(payment.refundable().is_zero(), "{payment:?}");
        }
        runs += 1;
        if !explorer.next() {
            return runs;
        }
    }
}

#[test]
fn two_attempts_at_once_make_one() {
    let runs = interleave(&[PaidAgain(VISA, "a"), PaidAgain(VISA, "b")], 4, &[]);
    assert!(runs > 50, "{runs}");
    let runs = interleave(&[PaidAgain(VISA, "a"), PaidAgain(VISA, "a")], 4, &[]);
    assert!(runs > 50, "{runs}");
    let runs = interleave(&[PaidAgain("pm_sim_3ds", "a"), PaidAgain(VISA, "b")], 3, &[Swept]);
    assert!(runs > 50, "{runs}");
}

#[test]
fn an_attempt_during_a_cancellation_leaves_no_money() {
    let events = [PaidAgain(VISA, "a"), OrderCancelled];
    let runs = interleave(&events, usize::MAX, &[OrderCancelled]);
    assert!(runs > 50, "{runs}");
    let events = [PaidAgain(VISA, "a"), OrderCancelled, Swept];
    let runs = interleave(&events, 2, &[OrderCancelled, Swept]);
    assert!(runs > 50, "{runs}");
}

#[test]
fn an_attempt_during_the_sweep_is_made_or_refused() {
    let runs = interleave(&[PaidAgain(VISA, "a"), Swept], usize::MAX, &[Swept]);
    assert!(runs > 50, "{runs}");
    let runs = interleave(&[PaidAgain(VISA, "a"), StockReserved, Notified(1)], 2, &[Swept]);
    assert!(runs > 50, "{runs}");
}
