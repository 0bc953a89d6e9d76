//! Late outcomes, by webhooks and sweeps: every crash point of both, singly and in pairs; repeated,
//! and concurrent with the charge and its cancellation, in every order of their steps.

use crate::{
    crashes::METHODS,
    simulation::{
        self, CrashPoint, Event,
        Event::{OrderCancelled, StockReserved, Succeeded, Swept},
        FixedClock, IN_TIME, MessageDelivery, Simulation, TOO_LATE, each_crash, ready, sweep_run,
    },
};
use rialto_kernel::{
    Clock, DueEntry, DueQueue, OrderId, StoreError, SystemClock, Timestamp, Write,
};
use rialto_lambda::sweep::SweepRun;
use rialto_payments::{
    adapters::dynamodb::DEADLINES,
    application::{
        receive_webhook::{ChargeNotification, WebhookOutcome, receive_webhook},
        sweep::sweep,
    },
    domain::{
        intent::{DeclineCode, IntentState},
        ledger::EntryKind,
        payment::{Payment, PaymentState, PaymentUpdate},
        refund::{RefundOutcome, RefundState},
    },
    ports::{LedgerReader, PaymentReader, PaymentWriter, Provider},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
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

/// Delivers events in every order of their steps, and then `last`, which ends the charge.
fn interleave(events: &[Event], interruptions: usize, last: Event, crashing: bool) -> u32 {
    simulation::interleave(ASYNC, events, interruptions, crashing, |simulation| {
        ready(simulation.deliver(&MessageDelivery::new(last)));
        assert_ne!(simulation.payment().unwrap().state, PaymentState::Processing);
    })
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
    assert_eq!(ready(simulation.due(IN_TIME)).unwrap(), []);
    ready(
        simulation
            .deliver(&MessageDelivery { times: vec![IN_TIME], ..MessageDelivery::new(Swept) }),
    );
    assert_eq!(simulation.check(false).state, PaymentState::Processing);
    ready(simulation.deliver(&MessageDelivery::new(Swept)));
    let payment = simulation.check(false);
    assert_eq!(
        (payment.state, payment.reason),
        (PaymentState::Failed, Some(DeclineCode::new("expired")))
    );
    assert_eq!(ready(simulation.due(TOO_LATE)).unwrap(), []);
}

/// Settled, waiting and failed payments of one sweep at this time.
fn swept(simulation: &Simulation, now: Timestamp) -> (usize, usize, usize) {
    let summary = ready(sweep(&simulation.store, &simulation.provider, &sweep_run(now))).unwrap();
    (summary.settled, summary.waiting, summary.failed)
}

#[test]
fn an_uncancellable_charge_is_postponed() {
    let simulation = Simulation::new(ASYNC);
    deliver(&simulation, &events(&[StockReserved]));
    simulation.provider.refuse_cancellations();
    assert_eq!(swept(&simulation, TOO_LATE), (0, 1, 0));
    assert_eq!(simulation.check(false).state, PaymentState::Processing);
    assert_eq!(swept(&simulation, TOO_LATE), (0, 0, 0));
    simulation.provider.end_processing(simulation.order, &IntentState::Succeeded);
    assert_eq!(swept(&simulation, TOO_LATE.plus(Duration::from_secs(300))), (1, 0, 0));
    assert_eq!(simulation.check(false).state, PaymentState::Captured);
}

#[test]
fn tries_of_a_refund_without_balance_become_rarer() {
    let simulation = Simulation::new("pm_card_visa");
    simulation.provider.refuse_refunds("balance_insufficient");
    deliver(&simulation, &events(&[StockReserved, OrderCancelled]));
    let tries = || simulation.payment().unwrap().refunds[0].tries;
    let minute = |number: u64| TOO_LATE.plus(Duration::from_secs(60 * number));
    for number in 0..24 * 60 {
        assert_eq!(swept(&simulation, minute(number)).2, 0);
        if number == 60 {
            assert!((4..8).contains(&tries()), "{}", tries());
        }
    }
    assert!((8..14).contains(&tries()), "{}", tries());
    simulation.provider.accept_refunds();
    for number in 24 * 60..30 * 60 {
        swept(&simulation, minute(number));
    }
    assert_eq!(simulation.check(true).state, PaymentState::Refunded);
}

/// A cancelled order whose refund is pending at the provider.
fn pending_refund() -> (Simulation, Payment) {
    let simulation = Simulation::new("pm_card_visa");
    simulation.provider.hold_refunds();
    ready(simulation.deliver_once(StockReserved)).unwrap();
    ready(simulation.deliver_once(OrderCancelled)).unwrap();
    let payment = simulation.payment().unwrap();
    assert_eq!(payment.refunds[0].state, RefundState::Pending);
    (simulation, payment)
}

/// The provider's webhook about the payment's refund.
fn notify(simulation: &Simulation, payment: &Payment, now: Timestamp) -> WebhookOutcome {
    let clock = FixedClock(now);
    let notification = ChargeNotification {
        order_id: simulation.order,
        intent: payment.intent_id.clone().unwrap(),
        refund: Some(payment.refunds[0].refund_id),
    };
    let (store, provider) = (&simulation.store, &simulation.provider);
    ready(receive_webhook(store, provider, &notification, None, &clock)).unwrap()
}

#[test]
fn a_refund_pending_at_the_provider_stays_due() {
    let (simulation, payment) = pending_refund();
    let entry = DueEntry { deadline: TOO_LATE, id: simulation.order };
    assert_eq!(ready(simulation.due(IN_TIME)).unwrap(), []);
    assert_eq!(ready(simulation.due(TOO_LATE)).unwrap(), [entry]);
    // Nothing changes until the provider decides.
    simulation.check_repetition(&[OrderCancelled]);
    assert_eq!(notify(&simulation, &payment, IN_TIME), WebhookOutcome::Unchanged);
    assert_eq!(swept(&simulation, IN_TIME), (0, 0, 0));
    assert_eq!(swept(&simulation, TOO_LATE), (0, 1, 0));
    assert_eq!(swept(&simulation, TOO_LATE.plus(Duration::from_secs(60))), (0, 0, 0));
    assert_eq!(swept(&simulation, TOO_LATE.plus(Duration::from_secs(300))), (0, 1, 0));
    assert_eq!(simulation.payment(), Some(payment));
    assert_eq!(simulation.provider.created_refunds(simulation.order), 1);
}

#[test]
fn a_pending_refund_is_settled_as_the_provider_decides() {
    let failed = RefundOutcome::Failed { reason: DeclineCode::new("expired_or_canceled_card") };
    for (outcome, state, kind) in [
        (RefundOutcome::Issued, PaymentState::Refunded, "RefundIssued"),
        (failed, PaymentState::Captured, "RefundFailed"),
    ] {
        for (webhook, now) in [(true, IN_TIME), (true, TOO_LATE), (false, TOO_LATE)] {
            let (simulation, payment) = pending_refund();
            simulation.provider.end_refunds(&outcome);
            if webhook {
                assert_eq!(notify(&simulation, &payment, now), WebhookOutcome::Recorded);
                assert_eq!(notify(&simulation, &payment, now), WebhookOutcome::Unchanged);
            } else {
                // Before the payment's deadline only the webhook settles it.
                assert_eq!(swept(&simulation, IN_TIME), (0, 0, 0));
                assert_eq!(swept(&simulation, now), (1, 0, 0));
            }
            assert_eq!(simulation.check(true).state, state);
            assert_eq!(simulation.published(), ["PaymentCaptured", kind]);
            assert_eq!(ready(simulation.due(TOO_LATE)).unwrap(), []);
            simulation.check_repetition(&[OrderCancelled, Swept]);
        }
    }
}

#[test]
fn a_sweep_without_time_left_starts_nothing() {
    let simulation = Simulation::new(ASYNC);
    deliver(&simulation, &events(&[StockReserved]));
    let run = SweepRun::new(TOO_LATE, SystemClock.now(), Arc::new(SystemClock));
    let summary = ready(sweep(&simulation.store, &simulation.provider, &run)).unwrap();
    assert_eq!((summary.settled, summary.waiting, summary.failed), (0, 0, 0));
    assert_eq!(simulation.payment().unwrap().state, PaymentState::Processing);
}

/// Starts the charges of this many orders that are listed in a shard; returns their ids.
fn start_in_shard(simulation: &Simulation, shard: u8, count: usize) -> Vec<OrderId> {
    let partition = DEADLINES.partition_for_shard(shard);
    let ids = (0_u32..).map(|number| OrderId::derive(&[&number.to_be_bytes()]));
    let of_shard = ids.filter(|id| DEADLINES.partition_for(&id.to_string()) == partition);
    let orders: Vec<OrderId> = of_shard.take(count).collect();
    for order in &orders {
        deliver(&simulation.with_order(*order), &events(&[StockReserved]));
    }
    orders
}

/// A clock that advances by a second each time that it is read.
struct TickingClock(AtomicI64);

impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

#[test]
fn payments_that_stay_open_do_not_starve_others() {
    let simulation = Simulation::new(ASYNC);
    start_in_shard(&simulation, 0, 10_000);
    let other = start_in_shard(&simulation, 7, 1)[0];
    // The first 10,000 can't be cancelled, the last has succeeded.
    simulation.provider.refuse_cancellations();
    simulation.provider.end_processing(other, &IntentState::Succeeded);
    let run = |limit: i64| {
        let clock = Arc::new(TickingClock(AtomicI64::new(0)));
        SweepRun::new(TOO_LATE, Timestamp::from_millis(limit * 1_000), clock)
    };
    let swept = |limit| {
        let run = run(limit);
        let summary = ready(sweep(&simulation.store, &simulation.provider, &run)).unwrap();
        (summary.settled, summary.waiting, summary.failed)
    };
    let (settled, waiting, failed) = swept(100);
    assert_eq!((settled, failed), (1, 0));
    assert!((50..100).contains(&waiting), "{waiting}");
    let payment = ready(simulation.store.payment(other)).unwrap().unwrap();
    assert_eq!(payment.state, PaymentState::Captured);
    // The next run begins with others.
    assert_eq!(swept(i64::from(u32::MAX)), (0, 10_000 - waiting, 0));
    assert_eq!(swept(i64::from(u32::MAX)), (0, 0, 0));
}

/// A store whose index is stale: it lists payments that aren't due.
struct StaleIndexStore<'a>(&'a Simulation);

impl DueQueue for StaleIndexStore<'_> {
    type Id = OrderId;
    const SHARDS: u8 = 1;

    async fn due(
        &self,
        _: u8,
        _: Timestamp,
        _: Option<&DueEntry<OrderId>>,
        _: usize,
    ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        let stale = |id| DueEntry { deadline: IN_TIME, id };
        Ok(vec![stale(self.0.order), stale(OrderId::derive(&[b"no payment"]))])
    }

    async fn postpone(&self, _: &DueEntry<OrderId>, _: Timestamp) -> Result<Write, StoreError> {
        Ok(Write::Conflict(()))
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
    let sweep_at = |now| {
        let store = StaleIndexStore(&simulation);
        ready(sweep(&store, &simulation.provider, &sweep_run(now))).unwrap()
    };
    for (now, state) in [(IN_TIME, PaymentState::Processing), (TOO_LATE, PaymentState::Failed)] {
        sweep_at(now);
        assert_eq!(simulation.check(false).state, state);
    }
    let before = (simulation.payment(), simulation.published());
    let summary = sweep_at(TOO_LATE);
    assert_eq!((summary.settled, summary.skipped), (0, 2));
    assert_eq!((simulation.payment(), simulation.published()), before);
}

/// A captured payment of a cancelled order whose refund has begun, but not at the provider.
fn begun_refund() -> (Simulation, Payment) {
    let simulation = Simulation::new("pm_card_visa");
    deliver(&simulation, &events(&[StockReserved]));
    let cancel = MessageDelivery::new(OrderCancelled);
    let begun = |simulation: &Simulation| !simulation.payment().unwrap().refunds.is_empty();
    for at in 0.. {
        assert!(simulation.abandon(&cancel, (at, simulation::CrashTiming::After)));
        if begun(&simulation) {
            break;
        }
    }
    let payment = simulation.payment().unwrap();
    assert_eq!(simulation.provider.created_refunds(simulation.order), 0);
    (simulation, payment)
}

/// A try of the refund that succeeds, and whose response isn't read.
fn create_refund_unnoticed(simulation: &Simulation, payment: &Payment) {
    let (intent, refund) = payment.unfinished_refund().unwrap();
    simulation.provider.accept_refunds();
    ready(simulation.provider.create_refund(simulation.order, intent, refund)).unwrap();
}

#[test]
fn a_refund_recorded_as_failed_is_issued_by_a_concurrent_try() {
    let (simulation, begun) = begun_refund();
    simulation.provider.refuse_refunds("expired_or_canceled_card");
    deliver(&simulation, &events(&[OrderCancelled]));
    let failed = simulation.payment().unwrap();
    assert_eq!(failed.refunds[0].state, RefundState::Failed);
    create_refund_unnoticed(&simulation, &begun);
    assert_eq!(notify(&simulation, &failed, IN_TIME), WebhookOutcome::Recorded);
    let payment = simulation.payment().unwrap();
    assert_eq!((payment.state, payment.refunded()), (PaymentState::Refunded, payment.captured));
    let kinds = ready(simulation.store.entries(simulation.order)).unwrap();
    let kinds: Vec<_> = kinds.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Captured, EntryKind::RefundFailed, EntryKind::DueRefundIssued]);
    assert_eq!(notify(&simulation, &failed, IN_TIME), WebhookOutcome::Unchanged);
}

/// A store in which another try of the refund succeeds and is recorded before a failure is.
struct OvertakenFailure<'a>(&'a Simulation, &'a Payment);

impl PaymentReader for OvertakenFailure<'_> {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.0.store.payment(order).await
    }
}

impl PaymentWriter for OvertakenFailure<'_> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        if change.payment.refunds.iter().any(|refund| refund.state == RefundState::Failed) {
            create_refund_unnoticed(self.0, self.1);
            assert_eq!(notify(self.0, self.1, IN_TIME), WebhookOutcome::Recorded);
        }
        self.0.store.save(change).await
    }
}

#[test]
fn a_refusal_does_not_replace_a_refund_that_was_issued() {
    let (simulation, begun) = begun_refund();
    simulation.provider.refuse_refunds("expired_or_canceled_card");
    let store = OvertakenFailure(&simulation, &begun);
    let notification = ChargeNotification {
        order_id: simulation.order,
        intent: begun.intent_id.clone().unwrap(),
        refund: None,
    };
    let received = ready(receive_webhook(
        &store,
        &simulation.provider,
        &notification,
        None,
        &FixedClock(IN_TIME),
    ));
    assert!(received.is_ok(), "{received:?}");
    assert_eq!(simulation.check(true).state, PaymentState::Refunded);
    assert_eq!(simulation.published(), ["PaymentCaptured", "RefundIssued"]);
}
