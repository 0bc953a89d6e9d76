//! Late outcomes, by webhooks and sweeps: every crash point of both, singly and in pairs; repeated,
//! and concurrent with the charge and its cancellation, in every order of their steps.

use crate::{
    crashes::{METHODS, each_crash},
    simulation::{
        CrashPoint, Event,
        Event::{OrderCancelled, StockReserved, Succeeded, Swept},
        IN_TIME, InterleavingExplorer, MessageDelivery, Simulation, TOO_LATE, ready,
    },
};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};
use rialto_payments::{
    application::sweep::sweep,
    domain::{
        intent::{DeclineCode, IntentState},
        payment::{Payment, PaymentState, PaymentUpdate},
    },
    ports::{ExpiredPayments, PaymentReader, PaymentWriter},
};

/// A payment method whose charges stay processing until the provider decides.
const ASYNC: &str = "pm_sim_async";

fn deliver(simulation: &Simulation, messages: &[MessageDelivery]) {
    for message in messages {
        ready(simulation.deliver(message));
    }
}

fn events(events: &[Event]) -> Vec<MessageDelivery> {
    events.iter().map(|event| MessageDelivery::new(*event)).collect()
}

/// Checks the final state of an asynchronous charge when `last` crashes at each pair of points.
fn assert_final_state(before: &[Event], last: Event, expected: PaymentState) {
    let run = |crashes: &[CrashPoint]| {
        let simulation = Simulation::new(ASYNC);
        deliver(&simulation, &events(before));
        let crashed = ready(simulation.deliver(&MessageDelivery::new(last).crashing(crashes)));
        let payment = simulation.check(before.contains(&OrderCancelled));
        assert_eq!(payment.state, expected, "{before:?} {last:?} {crashes:?}");
        simulation.check_repetition(&[last, Succeeded, Swept]);
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
fn a_webhook_settles_a_charge_despite_crashes() {
    assert_final_state(&[StockReserved], Succeeded, PaymentState::Captured);
    assert_final_state(&[StockReserved, OrderCancelled], Succeeded, PaymentState::Refunded);
}

#[test]
fn the_sweep_cancels_an_open_charge_despite_crashes() {
    assert_final_state(&[StockReserved], Swept, PaymentState::Failed);
    assert_final_state(&[StockReserved, OrderCancelled], Swept, PaymentState::Voided);
}

#[test]
fn the_sweep_records_a_success_without_a_webhook() {
    for (cancelled, expected) in [(false, PaymentState::Captured), (true, PaymentState::Refunded)] {
        each_crash(|crash| {
            let simulation = Simulation::new(ASYNC);
            deliver(&simulation, &events(&[StockReserved]));
            if cancelled {
                deliver(&simulation, &events(&[OrderCancelled]));
            }
            simulation.provider.end_processing(simulation.order, &IntentState::Succeeded);
            let crashed =
                ready(simulation.deliver(&MessageDelivery::new(Swept).crashing(&[crash])));
            assert_eq!(simulation.check(cancelled).state, expected);
            crashed
        });
    }
}

#[test]
fn a_success_after_a_failure_is_refunded_at_once() {
    for (earlier, published) in [
        (&[StockReserved, OrderCancelled, Swept][..], &["PaymentCaptured", "RefundIssued"][..]),
        (&[StockReserved, Swept], &["PaymentFailed", "RefundIssued"]),
    ] {
        each_crash(|crash| {
            let simulation = Simulation::new(ASYNC);
            deliver(&simulation, &events(earlier));
            simulation.provider.succeed_cancelled(simulation.order);
            let crashed =
                ready(simulation.deliver(&MessageDelivery::new(Succeeded).crashing(&[crash])));
            let payment = simulation.payment().unwrap();
            assert_eq!(
                (payment.state, payment.refundable().is_zero()),
                (PaymentState::Refunded, true)
            );
            assert_eq!(simulation.published(), published);
            simulation.check_repetition(&[Succeeded, Swept]);
            crashed
        });
    }
}

#[test]
fn the_sweep_settles_a_charge_whose_message_is_dead() {
    for (method, _) in METHODS.into_iter().chain([(ASYNC, PaymentState::Failed)]) {
        let crashes = each_crash(|abandoned| {
            let mut was_abandoned = false;
            each_crash(|crash| {
                let simulation = Simulation::new(method);
                was_abandoned = simulation.abandon(&MessageDelivery::new(StockReserved), abandoned);
                if simulation.payment().is_none() {
                    return false;
                }
                let crashed =
                    ready(simulation.deliver(&MessageDelivery::new(Swept).crashing(&[crash])));
                let payment = simulation.check(false);
                let expected =
                    [PaymentState::Pending, PaymentState::Captured, PaymentState::Failed];
                assert!(
                    expected.contains(&payment.state),
                    "{method} {abandoned:?} {crash:?}: {payment:?}"
                );
                // Orders cancels its order if it wasn't confirmed in time.
                ready(simulation.deliver(&MessageDelivery {
                    times: vec![TOO_LATE],
                    ..MessageDelivery::new(OrderCancelled)
                }));
                simulation.check(true);
                crashed
            });
            was_abandoned
        });
        assert!(crashes >= 4, "{method}: {crashes}");
    }
}

#[test]
fn the_sweep_settles_a_refund_whose_message_is_dead() {
    let crashes = each_crash(|abandoned| {
        let mut was_abandoned = false;
        each_crash(|crash| {
            let simulation = Simulation::new("pm_card_visa");
            deliver(&simulation, &events(&[StockReserved]));
            was_abandoned = simulation.abandon(&MessageDelivery::new(OrderCancelled), abandoned);
            let cancelled = !simulation.payment().unwrap().refunds.is_empty();
            let crashed =
                ready(simulation.deliver(&MessageDelivery::new(Swept).crashing(&[crash])));
            let payment = simulation.check(cancelled);
            let expected = if cancelled { PaymentState::Refunded } else { PaymentState::Captured };
            assert_eq!(payment.state, expected, "{abandoned:?} {crash:?}");
            crashed
        });
        was_abandoned
    });
    assert!(crashes >= 8, "{crashes}");
}

/// Delivers events in every order of their steps and, if `crashing`, with each crash of each event,
/// and finally `last`; returns the number of runs.
fn interleave(list: &[Event], interruptions: usize, last: Event, crashing: bool) -> u32 {
    let mut runs = 0;
    let mut run = |messages: &[MessageDelivery]| {
        let mut explorer = InterleavingExplorer::new(interruptions);
        let mut ever_crashed = false;
        loop {
            let simulation = Simulation::new(ASYNC);
            ever_crashed |= explorer.run(&simulation, messages);
            ready(simulation.deliver(&MessageDelivery::new(last)));
            let payment = simulation.check(list.contains(&OrderCancelled));
            assert_ne!(payment.state, PaymentState::Processing);
            simulation.check_repetition(list);
            runs += 1;
            if !explorer.next() {
                return ever_crashed;
            }
        }
    };
    let messages = events(list);
    run(&messages);
    for at in 0..if crashing { list.len() } else { 0 } {
        each_crash(|crash| {
            let mut messages = messages.clone();
            messages[at] = messages[at].clone().crashing(&[crash]);
            run(&messages)
        });
    }
    runs
}

#[test]
fn a_webhook_during_a_charge_charges_once() {
    let runs = interleave(&[StockReserved, Succeeded], usize::MAX, Succeeded, true);
    assert!(runs > 500, "{runs}");
    let runs = interleave(&[StockReserved, Succeeded, Succeeded], 3, Succeeded, false);
    assert!(runs > 200, "{runs}");
}

#[test]
fn a_webhook_during_a_cancellation_leaves_no_money() {
    let runs = interleave(&[StockReserved, OrderCancelled, Succeeded], 3, Succeeded, false);
    assert!(runs > 200, "{runs}");
    let runs =
        interleave(&[StockReserved, OrderCancelled, Succeeded, Succeeded], 1, Succeeded, true);
    assert!(runs > 1_000, "{runs}");
}

#[test]
fn a_concurrent_sweep_charges_at_most_once() {
    let runs = interleave(&[StockReserved, Swept], usize::MAX, Swept, true);
    assert!(runs > 500, "{runs}");
    let runs = interleave(&[StockReserved, Succeeded, Swept, Swept], 2, Swept, false);
    assert!(runs > 500, "{runs}");
    let runs = interleave(&[StockReserved, OrderCancelled, Succeeded, Swept], 2, Swept, false);
    assert!(runs > 500, "{runs}");
    let runs = interleave(&[StockReserved, OrderCancelled, Succeeded, Swept], 1, Swept, true);
    assert!(runs > 1_000, "{runs}");
}

#[test]
fn only_unfinished_payments_are_swept_after_the_deadline() {
    let simulation = Simulation::new(ASYNC);
    deliver(&simulation, &events(&[StockReserved]));
    assert_eq!(ready(simulation.store.due_before(IN_TIME, 10)).unwrap(), []);
    ready(
        simulation
            .deliver(&MessageDelivery { times: vec![IN_TIME], ..MessageDelivery::new(Swept) }),
    );
    assert_eq!(simulation.check(false).state, PaymentState::Processing);
    ready(simulation.deliver(&MessageDelivery::new(Swept)));
    let payment = simulation.check(false);
    assert_eq!(
        (payment.state, payment.reason),
        (PaymentState::Failed, Some(DeclineCode::new("canceled")))
    );
    assert_eq!(ready(simulation.store.due_before(TOO_LATE, 10)).unwrap(), []);
}

#[test]
fn an_uncancellable_charge_is_left_to_the_next_sweep() {
    let simulation = Simulation::new(ASYNC);
    deliver(&simulation, &events(&[StockReserved]));
    simulation.provider.refuse_cancellations();
    let summary =
        ready(sweep(&simulation.store, &simulation.provider, TOO_LATE, None, || false)).unwrap();
    assert_eq!((summary.settled, summary.skipped, summary.failed.len()), (0, 1, 0));
    assert_eq!(simulation.check(false).state, PaymentState::Processing);
    simulation.provider.end_processing(simulation.order, &IntentState::Succeeded);
    let summary =
        ready(sweep(&simulation.store, &simulation.provider, TOO_LATE, None, || false)).unwrap();
    assert_eq!((summary.settled, summary.skipped, summary.failed.len()), (1, 0, 0));
    assert_eq!(simulation.check(false).state, PaymentState::Captured);
}

#[test]
fn a_sweep_without_time_left_starts_nothing() {
    let simulation = Simulation::new(ASYNC);
    deliver(&simulation, &events(&[StockReserved]));
    let summary =
        ready(sweep(&simulation.store, &simulation.provider, TOO_LATE, None, || true)).unwrap();
    assert_eq!((summary.settled, summary.skipped, summary.failed.len()), (0, 0, 0));
    assert_eq!(
        ready(simulation.store.payment(simulation.order)).unwrap().unwrap().state,
        PaymentState::Processing
    );
}

/// A store whose index is stale: it lists payments that aren't due.
struct StaleIndexStore<'a>(&'a Simulation);

impl ExpiredPayments for StaleIndexStore<'_> {
    async fn due_before(&self, _: Timestamp, _: usize) -> Result<Vec<OrderId>, StoreError> {
        Ok(vec![self.0.order, OrderId::derive(&[b"no payment"])])
    }
}

impl PaymentReader for StaleIndexStore<'_> {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.0.store.payment(order).await
    }
}

impl PaymentWriter for StaleIndexStore<'_> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        self.0.store.save(change).await
    }
}

#[test]
fn a_stale_index_decides_nothing() {
    let simulation = Simulation::new(ASYNC);
    deliver(&simulation, &events(&[StockReserved]));
    for (now, state) in [(IN_TIME, PaymentState::Processing), (TOO_LATE, PaymentState::Failed)] {
        ready(sweep(&StaleIndexStore(&simulation), &simulation.provider, now, None, || false))
            .unwrap();
        assert_eq!(simulation.check(false).state, state);
    }
    let before = (simulation.payment(), simulation.published());
    let summary =
        ready(sweep(&StaleIndexStore(&simulation), &simulation.provider, TOO_LATE, None, || false))
            .unwrap();
    assert_eq!((summary.settled, summary.skipped), (0, 2));
    assert_eq!((simulation.payment(), simulation.published()), before);
}
