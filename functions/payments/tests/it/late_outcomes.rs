//! What comes late: the provider's word, and the sweep. Every crash point of both, singly and in pairs; told twice, swept
//! twice, beside the charge itself and its cancellation, in every order of their steps.

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

const ASYNC: &str = "pm_sim_async";

/// Delivers these one after the other.
fn deliver(world: &Simulation, messages: &[MessageDelivery]) {
    for message in messages {
        ready(world.deliver(message));
    }
}

fn events(events: &[Event]) -> Vec<MessageDelivery> {
    events.iter().map(|event| MessageDelivery::new(*event)).collect()
}

/// The end of an asynchronous charge to which these lead, wherever the last of them crashes, once or twice.
fn end_of(before: &[Event], last: Event, end: PaymentState) {
    let run = |crashes: &[CrashPoint]| {
        let world = Simulation::new(ASYNC);
        deliver(&world, &events(before));
        let crashed = ready(world.deliver(&MessageDelivery::new(last).crashing(crashes)));
        let payment = world.check(before.contains(&OrderCancelled));
        assert_eq!(payment.state, end, "{before:?} {last:?} {crashes:?}");
        world.check_repetition(&[last, Succeeded, Swept]);
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
fn the_providers_word_ends_a_charge_wherever_it_crashes() {
    end_of(&[StockReserved], Succeeded, PaymentState::Captured);
    end_of(&[StockReserved, OrderCancelled], Succeeded, PaymentState::Refunded);
}

#[test]
fn the_sweep_ends_a_charge_that_nobody_ended_wherever_it_crashes() {
    end_of(&[StockReserved], Swept, PaymentState::Failed);
    end_of(&[StockReserved, OrderCancelled], Swept, PaymentState::Voided);
}

#[test]
fn the_sweep_records_a_success_that_nobody_told_of() {
    for (cancelled, end) in [(false, PaymentState::Captured), (true, PaymentState::Refunded)] {
        each_crash(|crash| {
            let world = Simulation::new(ASYNC);
            deliver(&world, &events(&[StockReserved]));
            if cancelled {
                deliver(&world, &events(&[OrderCancelled]));
            }
            world.provider.decide(world.order, &IntentState::Succeeded);
            let crashed = ready(world.deliver(&MessageDelivery::new(Swept).crashing(&[crash])));
            assert_eq!(world.check(cancelled).state, end);
            crashed
        });
    }
}

#[test]
fn a_success_after_the_charge_was_given_up_is_given_back_at_once() {
    for (events_before, announced) in [
        (&[StockReserved, OrderCancelled, Swept][..], &["PaymentCaptured", "RefundIssued"][..]),
        (&[StockReserved, Swept], &["PaymentFailed", "RefundIssued"]),
    ] {
        each_crash(|crash| {
            let world = Simulation::new(ASYNC);
            deliver(&world, &events(events_before));
            world.provider.succeed_after_all(world.order);
            let crashed = ready(world.deliver(&MessageDelivery::new(Succeeded).crashing(&[crash])));
            let payment = world.payment().unwrap();
            assert_eq!(
                (payment.state, payment.refundable().is_zero()),
                (PaymentState::Refunded, true)
            );
            assert_eq!(world.announced(), announced);
            world.check_repetition(&[Succeeded, Swept]);
            crashed
        });
    }
}

#[test]
fn a_charge_whose_message_is_dead_is_ended_by_the_sweep() {
    for (method, _) in METHODS.into_iter().chain([(ASYNC, PaymentState::Failed)]) {
        let crashes = each_crash(|abandoned| {
            let mut was = false;
            each_crash(|crash| {
                let world = Simulation::new(method);
                was = world.abandon(&MessageDelivery::new(StockReserved), abandoned);
                if world.payment().is_none() {
                    return false;
                }
                let crashed = ready(world.deliver(&MessageDelivery::new(Swept).crashing(&[crash])));
                let payment = world.check(false);
                let expected =
                    [PaymentState::Pending, PaymentState::Captured, PaymentState::Failed];
                assert!(
                    expected.contains(&payment.state),
                    "{method} {abandoned:?} {crash:?}: {payment:?}"
                );
                // The order isn't confirmed in time then, or it is.
                ready(world.deliver(&MessageDelivery {
                    times: vec![TOO_LATE],
                    ..MessageDelivery::new(OrderCancelled)
                }));
                world.check(true);
                crashed
            });
            was
        });
        assert!(crashes >= 4, "{method}: {crashes}");
    }
}

#[test]
fn a_refund_whose_message_is_dead_is_finished_by_the_sweep() {
    let crashes = each_crash(|abandoned| {
        let mut was = false;
        each_crash(|crash| {
            let world = Simulation::new("pm_card_visa");
            deliver(&world, &events(&[StockReserved]));
            was = world.abandon(&MessageDelivery::new(OrderCancelled), abandoned);
            let heard = !world.payment().unwrap().refunds.is_empty();
            let crashed = ready(world.deliver(&MessageDelivery::new(Swept).crashing(&[crash])));
            let payment = world.check(heard);
            let end = if heard { PaymentState::Refunded } else { PaymentState::Captured };
            assert_eq!(payment.state, end, "{abandoned:?} {crash:?}");
            crashed
        });
        was
    });
    assert!(crashes >= 8, "{crashes}");
}

/// Runs these in every order of their steps, with every crash of each; when all have ended, the provider tells once more,
/// or the sweep comes by.
fn interleave(list: &[Event], interruptions: usize, last: Event, crashing: bool) -> u32 {
    let mut runs = 0;
    let mut run = |messages: &[MessageDelivery]| {
        let mut schedules = InterleavingExplorer::new(interruptions);
        let mut ever_crashed = false;
        loop {
            let world = Simulation::new(ASYNC);
            ever_crashed |= schedules.run(&world, messages);
            ready(world.deliver(&MessageDelivery::new(last)));
            let payment = world.check(list.contains(&OrderCancelled));
            assert_ne!(payment.state, PaymentState::Processing);
            world.check_repetition(list);
            runs += 1;
            if !schedules.next() {
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
fn the_providers_word_at_every_point_of_a_charge_charges_once() {
    let runs = interleave(&[StockReserved, Succeeded], usize::MAX, Succeeded, true);
    assert!(runs > 500, "{runs}");
    let runs = interleave(&[StockReserved, Succeeded, Succeeded], 3, Succeeded, false);
    assert!(runs > 200, "{runs}");
}

#[test]
fn the_providers_word_and_a_cancellation_at_every_point_of_a_charge_leave_no_money() {
    let runs = interleave(&[StockReserved, OrderCancelled, Succeeded], 3, Succeeded, false);
    assert!(runs > 200, "{runs}");
    let runs =
        interleave(&[StockReserved, OrderCancelled, Succeeded, Succeeded], 1, Succeeded, true);
    assert!(runs > 1_000, "{runs}");
}

#[test]
fn the_sweep_at_every_point_of_everything_else_charges_once_or_not_at_all() {
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
fn nothing_is_swept_before_its_time_and_what_rests_never() {
    let world = Simulation::new(ASYNC);
    deliver(&world, &events(&[StockReserved]));
    assert_eq!(ready(world.store.due_before(IN_TIME, 10)).unwrap(), []);
    ready(world.deliver(&MessageDelivery { times: vec![IN_TIME], ..MessageDelivery::new(Swept) }));
    assert_eq!(world.check(false).state, PaymentState::Processing);
    ready(world.deliver(&MessageDelivery::new(Swept)));
    let payment = world.check(false);
    assert_eq!(
        (payment.state, payment.reason),
        (PaymentState::Failed, Some(DeclineCode::new("canceled")))
    );
    assert_eq!(ready(world.store.due_before(TOO_LATE, 10)).unwrap(), []);
}

#[test]
fn what_the_provider_can_neither_end_nor_call_off_is_left_to_the_next_sweep() {
    let world = Simulation::new(ASYNC);
    deliver(&world, &events(&[StockReserved]));
    world.provider.refuse_cancellations();
    let swept = ready(sweep(&world.store, &world.provider, TOO_LATE, None, || false)).unwrap();
    assert_eq!((swept.settled, swept.skipped, swept.failed.len()), (0, 1, 0));
    assert_eq!(world.check(false).state, PaymentState::Processing);
    world.provider.decide(world.order, &IntentState::Succeeded);
    let swept = ready(sweep(&world.store, &world.provider, TOO_LATE, None, || false)).unwrap();
    assert_eq!((swept.settled, swept.skipped, swept.failed.len()), (1, 0, 0));
    assert_eq!(world.check(false).state, PaymentState::Captured);
}

#[test]
fn a_sweep_without_time_left_begins_nothing() {
    let world = Simulation::new(ASYNC);
    deliver(&world, &events(&[StockReserved]));
    let swept = ready(sweep(&world.store, &world.provider, TOO_LATE, None, || true)).unwrap();
    assert_eq!((swept.settled, swept.skipped, swept.failed.len()), (0, 0, 0));
    assert_eq!(
        ready(world.store.payment(world.order)).unwrap().unwrap().state,
        PaymentState::Processing
    );
}

/// A store whose index lags so far that it lists what isn't due any more, or not yet.
struct Lagging<'a>(&'a Simulation);

impl ExpiredPayments for Lagging<'_> {
    async fn due_before(&self, _: Timestamp, _: usize) -> Result<Vec<OrderId>, StoreError> {
        Ok(vec![self.0.order, OrderId::derive(&[b"no payment"])])
    }
}

impl PaymentReader for Lagging<'_> {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.0.store.payment(order).await
    }
}

impl PaymentWriter for Lagging<'_> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        self.0.store.save(change).await
    }
}

#[test]
fn an_index_that_lags_decides_nothing() {
    let world = Simulation::new(ASYNC);
    deliver(&world, &events(&[StockReserved]));
    for (now, state) in [(IN_TIME, PaymentState::Processing), (TOO_LATE, PaymentState::Failed)] {
        ready(sweep(&Lagging(&world), &world.provider, now, None, || false)).unwrap();
        assert_eq!(world.check(false).state, state);
    }
    let before = (world.payment(), world.announced());
    let swept = ready(sweep(&Lagging(&world), &world.provider, TOO_LATE, None, || false)).unwrap();
    assert_eq!((swept.settled, swept.skipped), (0, 2));
    assert_eq!((world.payment(), world.announced()), before);
}
