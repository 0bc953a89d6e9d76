//! Disputes, from their webhooks to the refunds that wait for them.

use crate::simulation::{IN_TIME, Simulation, TOTAL, sweep_run};
use rialto_contracts::{
    EventContext,
    payments::{Payments, RefundMeans},
};
use rialto_kernel::{Amount, Clock, OrderId, Timestamp, Write};
use rialto_payments::{
    adapters::memory::MemoryPayments,
    application::{
        compensate_line::{LineRefund, compensate_line},
        on_order_cancelled::on_order_cancelled,
        on_stock_reserved::on_stock_reserved,
        receive_dispute::receive_dispute,
        receive_webhook::WebhookOutcome,
        refund_order::{RefundOrder, refund_order},
        sweep::sweep,
    },
    domain::{
        dispute::{DisputeId, DisputeStanding},
        ledger::LedgerAccount,
        payment::{Payment, PaymentState},
        refund::{DISPUTE_PAUSE, GoodwillReason, RefundState},
    },
    ports::LedgerReader,
};
use std::time::Duration;

const NOW: Timestamp = IN_TIME;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

async fn paid(method: &'static str) -> Simulation {
    let simulation = Simulation::new(method);
    let (reserved, cause) = (simulation.stock_reserved(), EventContext::default());
    let (store, provider) = (&simulation.store, &simulation.provider);
    let clock = &StoppedClock;
    let paid = on_stock_reserved(store, provider, &reserved, Duration::ZERO, &cause, clock).await;
    assert_eq!(paid.unwrap(), Write::Done);
    simulation
}

fn amount(minor_units: i64) -> Amount {
    Amount::new(minor_units).unwrap()
}

async fn receive(simulation: &Simulation, dispute: &DisputeId) -> WebhookOutcome {
    let (store, provider) = (&simulation.store, &simulation.provider);
    receive_dispute(store, provider, dispute, None, &StoppedClock).await.unwrap()
}

async fn cancel(simulation: &Simulation) {
    let (event, cause) = (simulation.order_cancelled(), EventContext::default());
    let (store, provider) = (&simulation.store, &simulation.provider);
    assert!(on_order_cancelled(store, provider, &event, &cause, NOW).await.is_ok());
}

async fn sweep_at(simulation: &Simulation, now: Timestamp) {
    let summary = sweep(&simulation.store, &simulation.provider, &sweep_run(now)).await.unwrap();
    assert_eq!(summary.failed, 0);
}

fn payment(simulation: &Simulation) -> Payment {
    simulation.payment().unwrap()
}

/// Checks the amounts of a payment, and that the ledger agrees with them.
async fn check(simulation: &Simulation) -> Payment {
    let payment = payment(simulation);
    let begun = Amount::sum(payment.refunds.iter().map(|refund| refund.amount)).unwrap();
    assert!(begun <= payment.captured, "{payment:?}");
    assert!(payment.settled() <= payment.lost(), "{payment:?}");
    let sent = Amount::sum(simulation.provider.refunds(simulation.order)).unwrap();
    assert_eq!(sent, payment.refunded(), "{payment:?}");
    let entries = simulation.store.entries(simulation.order).await.unwrap();
    let balance = |account| -> i64 {
        let postings = entries.iter().flat_map(|entry| &entry.postings);
        postings.filter(|of| of.account == account).map(|of| of.amount).sum()
    };
    let shop = payment.captured.minor_units()
        - payment.refunded().minor_units()
        - payment.refund_due().minor_units()
        - payment.withdrawn().minor_units();
    assert_eq!(balance(LedgerAccount::Shop), shop, "{entries:?}");
    let disputed = payment.withdrawn().minor_units() - payment.lost().minor_units();
    assert_eq!(balance(LedgerAccount::Disputed), disputed, "{entries:?}");
    let sum: i64 = entries.iter().flat_map(|entry| &entry.postings).map(|of| of.amount).sum();
    assert_eq!(sum, 0);
    payment
}

/// The amounts of RefundIssued, and how each was paid.
fn issued(simulation: &Simulation) -> Vec<(i64, RefundMeans)> {
    let events = simulation.store.published_events();
    let issued = events.iter().filter_map(|event| match Payments::decode(event).unwrap() {
        Payments::RefundIssued(issued) => Some((issued.amount.minor_units(), issued.by)),
        _ => None,
    });
    issued.collect()
}

#[tokio::test]
async fn refunds_of_a_disputed_charge_wait_and_are_settled() {
    let simulation = paid("pm_sim_dispute").await;
    let dispute = simulation.provider.disputes()[0].dispute_id.clone();
    assert_eq!(receive(&simulation, &dispute).await, WebhookOutcome::Recorded);
    assert_eq!(receive(&simulation, &dispute).await, WebhookOutcome::Unchanged);
    cancel(&simulation).await;
    let waiting = check(&simulation).await;
    assert_eq!((waiting.refunds[0].state, waiting.refunds[0].tries), (RefundState::Waiting, 1));
    assert_eq!(waiting.state, PaymentState::Captured);

    simulation.provider.close_dispute(&dispute, false);
    assert_eq!(receive(&simulation, &dispute).await, WebhookOutcome::Recorded);
    assert_eq!(receive(&simulation, &dispute).await, WebhookOutcome::Unchanged);
    let settled = check(&simulation).await;
    assert_eq!(settled.refunds[0].state, RefundState::Settled);
    assert_eq!((settled.state, settled.settled()), (PaymentState::Refunded, settled.captured));
    assert_eq!(simulation.provider.created_refunds(simulation.order), 0);
    assert_eq!(issued(&simulation), [(TOTAL, RefundMeans::Dispute)]);
    let expected = ["PaymentCaptured", "DisputeOpened", "DisputeClosed", "RefundIssued"];
    assert_eq!(simulation.published(), expected);
}

#[tokio::test]
async fn refunds_are_sent_after_a_dispute_is_won() {
    let simulation = paid("pm_card_visa").await;
    let dispute = simulation.provider.open_dispute(simulation.order, amount(TOTAL)).unwrap();
    // The webhook of the dispute is late: the provider refuses the refund.
    cancel(&simulation).await;
    let waiting = check(&simulation).await;
    assert_eq!((waiting.refunds[0].state, waiting.refunds[0].tries), (RefundState::Waiting, 2));
    receive(&simulation, &dispute).await;
    assert_eq!(check(&simulation).await.waiting(), amount(TOTAL));
    simulation.provider.close_dispute(&dispute, true);
    receive(&simulation, &dispute).await;
    let payment = check(&simulation).await;
    assert_eq!((payment.state, payment.refunded()), (PaymentState::Refunded, amount(TOTAL)));
    assert_eq!(issued(&simulation), [(TOTAL, RefundMeans::Provider)]);
}

#[tokio::test]
async fn a_lost_dispute_of_a_part_leaves_the_rest_to_the_provider() {
    let simulation = paid("pm_card_visa").await;
    let dispute = simulation.provider.open_dispute(simulation.order, amount(1_000)).unwrap();
    receive(&simulation, &dispute).await;
    cancel(&simulation).await;
    simulation.provider.close_dispute(&dispute, false);
    receive(&simulation, &dispute).await;
    let payment = check(&simulation).await;
    assert_eq!(payment.state, PaymentState::Refunded);
    let expected = [(1_000, RefundMeans::Dispute), (TOTAL - 1_000, RefundMeans::Provider)];
    assert_eq!(issued(&simulation), expected);
}

#[tokio::test]
async fn the_sweep_takes_waiting_refunds_further_once_a_day() {
    let simulation = paid("pm_sim_dispute").await;
    let dispute = simulation.provider.disputes()[0].dispute_id.clone();
    receive(&simulation, &dispute).await;
    cancel(&simulation).await;
    let day = NOW.plus(DISPUTE_PAUSE);
    sweep_at(&simulation, day).await;
    let deadline = payment(&simulation).deadline().unwrap();
    assert!(deadline > day, "{deadline}");
    // The webhook of its decision is lost.
    simulation.provider.close_dispute(&dispute, true);
    sweep_at(&simulation, deadline).await;
    let payment = check(&simulation).await;
    assert_eq!((payment.state, payment.deadline()), (PaymentState::Refunded, None));
    assert!(simulation.published().contains(&"DisputeClosed".to_owned()));
}

#[tokio::test]
async fn a_dispute_reports_a_capture_that_is_not_recorded() {
    let simulation = paid("pm_sim_async").await;
    simulation.provider.succeed_cancelled(simulation.order);
    let dispute = simulation.provider.open_dispute(simulation.order, amount(TOTAL)).unwrap();
    receive(&simulation, &dispute).await;
    assert_eq!(simulation.published(), ["PaymentCaptured", "DisputeOpened"]);
    check(&simulation).await;
}

#[tokio::test]
async fn unknown_disputes_are_acknowledged() {
    let simulation = paid("pm_card_visa").await;
    let unknown = DisputeId::parse("du_none").unwrap();
    assert_eq!(receive(&simulation, &unknown).await, WebhookOutcome::UnknownCharge);
    let dispute = simulation.provider.open_dispute(simulation.order, amount(1)).unwrap();
    let mut other = simulation.with_order(OrderId::derive(&[b"other"]));
    other.store = MemoryPayments::default();
    assert_eq!(receive(&other, &dispute).await, WebhookOutcome::UnknownCharge);
    assert_eq!(payment(&simulation).disputes, []);
}

#[tokio::test]
async fn an_inquiry_is_recorded_without_an_effect() {
    let simulation = paid("pm_card_visa").await;
    let inquiry = simulation.provider.warn(simulation.order, amount(TOTAL)).unwrap();
    receive(&simulation, &inquiry).await;
    let recorded = check(&simulation).await;
    assert_eq!(recorded.disputes[0].state, DisputeStanding::Warning);
    cancel(&simulation).await;
    assert_eq!(check(&simulation).await.state, PaymentState::Refunded);
    assert_eq!(simulation.published(), ["PaymentCaptured", "RefundIssued"]);
}

const SHARE: i64 = 700;

/// Payments handles the return of a line.
async fn return_line(simulation: &Simulation) -> Payment {
    let line = LineRefund::new(simulation.order, 1, amount(SHARE));
    let (store, provider, cause) =
        (&simulation.store, &simulation.provider, EventContext::default());
    assert!(compensate_line(store, provider, &line, &cause, NOW).await.is_ok());
    check(simulation).await
}

/// The bank decides, and its webhook arrives. What the provider refunds and the dispute settles.
async fn decide(simulation: &Simulation, dispute: &DisputeId, won: bool) -> (i64, i64) {
    simulation.provider.close_dispute(dispute, won);
    receive(simulation, dispute).await;
    let payment = check(simulation).await;
    assert_eq!((payment.waiting(), payment.refund_due()), (Amount::ZERO, Amount::ZERO));
    (payment.refunded().minor_units(), payment.settled().minor_units())
}

#[tokio::test]
async fn a_return_after_a_dispute_began_waits_for_its_end() {
    for (won, expected) in [(true, (SHARE, 0)), (false, (0, SHARE))] {
        let simulation = paid("pm_card_visa").await;
        let dispute = simulation.provider.open_dispute(simulation.order, amount(TOTAL)).unwrap();
        receive(&simulation, &dispute).await;
        for _ in 0..2 {
            assert_eq!(return_line(&simulation).await.waiting(), amount(SHARE));
        }
        assert_eq!(simulation.provider.created_refunds(simulation.order), 0);
        assert_eq!(decide(&simulation, &dispute, won).await, expected);
    }
}

#[tokio::test]
async fn a_return_during_which_a_dispute_begins_waits() {
    for (won, expected) in [(true, (SHARE, 0)), (false, (0, SHARE))] {
        let simulation = paid("pm_card_visa").await;
        // Its webhook arrives after the return.
        let dispute = simulation.provider.open_dispute(simulation.order, amount(TOTAL)).unwrap();
        assert_eq!(return_line(&simulation).await.waiting(), amount(SHARE));
        receive(&simulation, &dispute).await;
        assert_eq!(return_line(&simulation).await.waiting(), amount(SHARE));
        assert_eq!(simulation.provider.created_refunds(simulation.order), 0);
        assert_eq!(decide(&simulation, &dispute, won).await, expected);
    }
}

#[tokio::test]
async fn a_dispute_after_a_return_leaves_its_refund() {
    for won in [true, false] {
        let simulation = paid("pm_card_visa").await;
        assert_eq!(return_line(&simulation).await.refunded(), amount(SHARE));
        let dispute = simulation.provider.open_dispute(simulation.order, amount(TOTAL)).unwrap();
        receive(&simulation, &dispute).await;
        assert_eq!(check(&simulation).await.waiting(), Amount::ZERO);
        assert_eq!(decide(&simulation, &dispute, won).await, (SHARE, 0));
        // What the dispute took pays the next refund.
        cancel(&simulation).await;
        let rest = TOTAL - SHARE;
        let payment = check(&simulation).await;
        let returned = (payment.refunded().minor_units(), payment.settled().minor_units());
        assert_eq!(returned, if won { (TOTAL, 0) } else { (SHARE, rest) });
        assert_eq!(payment.state, PaymentState::Refunded);
    }
}

/// Applies one of the things that can happen to a paid order.
async fn step(simulation: &Simulation, number: u32, argument: i64) {
    let (store, provider) = (&simulation.store, &simulation.provider);
    let order_id = simulation.order;
    let disputes = provider.disputes();
    let chosen = disputes.get(usize::try_from(argument).unwrap() % disputes.len().max(1));
    match number % 8 {
        0 if disputes.len() < 3 => {
            provider.open_dispute(order_id, amount(argument.max(1)));
        }
        1 | 2 => {
            if let Some(dispute) = chosen {
                receive(simulation, &dispute.dispute_id).await;
            }
        }
        3 => {
            if let Some(open) = chosen.filter(|of| of.state == DisputeStanding::Open) {
                provider.close_dispute(&open.dispute_id, number % 16 == 3);
            }
        }
        4 => {
            let line = LineRefund::new(order_id, number % 5 + 1, amount(argument));
            let cause = EventContext::default();
            assert!(compensate_line(store, provider, &line, &cause, NOW).await.is_ok());
        }
        5 => {
            let reason = GoodwillReason::parse("late").unwrap();
            let key = number.to_string();
            let amount = amount(argument.max(1));
            let request = RefundOrder { order_id, idempotency_key: &key, amount, reason };
            refund_order(store, provider, &request, None, NOW).await.ok();
        }
        6 => {
            let later = NOW.plus(DISPUTE_PAUSE * (number % 3));
            sweep_at(simulation, later).await;
        }
        7 if number % 32 == 7 => cancel(simulation).await,
        _ => {}
    }
}

#[tokio::test]
async fn disputes_and_refunds_agree_in_any_order() {
    for seed in 0..300_u32 {
        let simulation = paid("pm_card_visa").await;
        let mut random = u64::from(seed) + 1;
        for _ in 0..40 {
            // Knuth's linear congruential generator.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let number = u32::try_from(random >> 40).unwrap();
            let argument = i64::try_from(random >> 33).unwrap() % 900;
            step(&simulation, number, argument).await;
            check(&simulation).await;
        }
        for dispute in simulation.provider.disputes() {
            if dispute.state == DisputeStanding::Open {
                simulation.provider.close_dispute(&dispute.dispute_id, seed % 2 == 0);
            }
            receive(&simulation, &dispute.dispute_id).await;
        }
        cancel(&simulation).await;
        sweep_at(&simulation, NOW.plus(DISPUTE_PAUSE * 10)).await;
        let payment = check(&simulation).await;
        let returned = payment.refunded().minor_units() + payment.settled().minor_units();
        assert_eq!(returned, TOTAL, "seed {seed}: {payment:?}");
    }
}
