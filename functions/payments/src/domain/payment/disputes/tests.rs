use super::*;
use crate::{
    domain::{
        dispute::DisputeStanding::{Lost, Open, Warning, Won},
        intent::{ChargeOutcome, DeclineCode, IntentId},
        payment::{AttemptKey, GoodwillError, Granted, PaymentState},
        refund::{GoodwillReason, RefundOutcome},
    },
    fixtures::{NOW, captured, intent_id, refunding, stock_reserved},
};
use rialto_contracts::payments::Payments;
use std::time::Duration;

fn amount(minor_units: i64) -> Amount {
    Amount::new(minor_units).unwrap()
}

fn report(state: DisputeStanding, withdrawn: i64) -> DisputeReport {
    DisputeReport {
        dispute_id: DisputeId::parse("du_1").unwrap(),
        intent_id: intent_id(),
        amount: amount(2_500),
        state,
        withdrawn: amount(withdrawn),
    }
}

/// The payment after every write that a report leads to, with their events and the sum of each
/// account's postings.
fn record(payment: &Payment, report: &DisputeReport) -> (Payment, Vec<String>) {
    let (mut payment, mut written) = (payment.clone(), Vec::new());
    while let Some(change) = payment.record_dispute(report, NOW, &EventContext::default()) {
        assert_eq!(change.expected, Some(payment.version));
        written.extend(change.events.iter().map(|event| event.kind.clone()));
        written.extend(change.entry.iter().map(|entry| {
            let moved = entry.postings.iter().map(|posting| posting.amount).max().unwrap();
            format!("{:?} {moved}", entry.kind)
        }));
        payment = change.payment;
        assert!(written.len() < 10, "{written:?}");
    }
    (payment, written)
}

fn disputed(payment: &Payment, state: DisputeStanding, withdrawn: i64) -> Payment {
    record(payment, &report(state, withdrawn)).0
}

fn line(payment: &Payment, line_no: u32, minor_units: i64) -> Payment {
    let cause = EventContext::default();
    payment.compensate_line(line_no, amount(minor_units), &cause).unwrap().unwrap().payment
}

fn grant(payment: &Payment, minor_units: i64) -> Result<Granted, GoodwillError> {
    let reason = GoodwillReason::parse("late").unwrap();
    payment.grant_goodwill("digest", amount(minor_units), &reason)
}

#[test]
fn a_dispute_is_opened_and_closed_once() {
    let (open, written) = record(&captured(), &report(Open, 2_500));
    assert_eq!(written, ["DisputeOpened", "DisputeWithdrawn 2500"]);
    assert!(open.has_open_dispute());
    assert_eq!(record(&open, &report(Open, 2_500)).1, [""; 0]);

    let (lost, written) = record(&open, &report(Lost, 2_500));
    assert_eq!(written, ["DisputeClosed", "DisputeLost 2500"]);
    assert_eq!((lost.has_open_dispute(), lost.lost()), (false, amount(2_500)));
    assert_eq!(lost.state, PaymentState::Captured);
    for late in [report(Lost, 2_500), report(Open, 2_500), report(Won, 0)] {
        assert_eq!(record(&lost, &late).1, [""; 0], "{late:?}");
    }

    let (won, written) = record(&open, &report(Won, 0));
    assert_eq!(written, ["DisputeReinstated 2500", "DisputeClosed"]);
    assert_eq!(won.lost(), Amount::ZERO);
}

#[test]
fn a_dispute_that_is_first_seen_decided_is_opened_and_closed() {
    let (_, written) = record(&captured(), &report(Lost, 2_500));
    let expected = ["DisputeOpened", "DisputeWithdrawn 2500", "DisputeClosed", "DisputeLost 2500"];
    assert_eq!(written, expected);
}

#[test]
fn money_that_moves_after_a_decision_is_recorded() {
    let (lost, written) = record(&captured(), &report(Lost, 0));
    assert_eq!(written, ["DisputeOpened", "DisputeClosed"]);
    let (lost, written) = record(&lost, &report(Lost, 2_500));
    assert_eq!(written, ["DisputeWithdrawn 2500", "DisputeLost 2500"]);
    assert_eq!(lost.unsettled_loss(None), amount(2_500));

    let won = disputed(&captured(), Won, 2_500);
    assert_eq!(record(&won, &report(Won, 0)).1, ["DisputeReinstated 2500"]);
}

#[test]
fn an_older_report_of_a_dispute_changes_nothing() {
    let open = disputed(&captured(), Open, 2_500);
    let (won, lost) = (disputed(&open, Won, 0), disputed(&open, Lost, 2_500));
    for (payment, older) in [
        (&open, report(Warning, 0)),
        (&open, report(Open, 0)),
        (&won, report(Warning, 0)),
        (&won, report(Open, 2_500)),
        (&won, report(Won, 2_500)),
        (&lost, report(Open, 2_500)),
        (&lost, report(Lost, 0)),
    ] {
        assert_eq!(record(payment, &older).1, [""; 0], "{older:?}");
    }
}

#[test]
fn an_inquiry_blocks_nothing_and_moves_nothing() {
    let (warned, written) = record(&captured(), &report(Warning, 2_500));
    assert_eq!(written, [""; 0]);
    assert_eq!((warned.disputes.len(), warned.has_open_dispute()), (1, false));
    assert!(matches!(grant(&warned, 100), Ok(Granted::Now(_))));
    let (_, written) = record(&warned, &report(Open, 2_500));
    assert_eq!(written, ["DisputeOpened", "DisputeWithdrawn 2500"]);
}

#[test]
fn at_most_ten_disputes_are_recorded() {
    let mut payment = captured();
    for number in 0..=MAX_DISPUTES {
        let dispute_id = DisputeId::parse(&format!("du_{number}")).unwrap();
        let report = DisputeReport { dispute_id, ..report(Open, 0) };
        let change = payment.record_dispute(&report, NOW, &EventContext::default());
        assert_eq!(change.is_some(), number < MAX_DISPUTES);
        payment = change.map_or(payment, |change| change.payment);
    }
    assert_eq!(payment.disputes.len(), MAX_DISPUTES);
}

#[test]
fn a_refund_waits_while_a_dispute_is_open() {
    let payment = disputed(&refunding(), Open, 2_500);
    let tried = payment.refunds[0].clone();
    let waiting = payment.wait_for_dispute(&tried, false, NOW).unwrap().payment;
    assert_eq!((waiting.waiting(), waiting.refundable()), (amount(2_500), Amount::ZERO));
    assert_eq!((waiting.refunds[0].tries, waiting.deadline()), (1, Some(NOW.plus(DISPUTE_PAUSE))));
    assert_eq!(waiting.wait_for_dispute(&tried, false, NOW), None);
    assert_eq!(waiting.resume_refunds(NOW, NOW), None);

    let later = NOW.plus(DISPUTE_PAUSE);
    let postponed = waiting.resume_refunds(later, later).unwrap().payment;
    assert_eq!(postponed.waiting(), amount(2_500));
    assert_eq!(postponed.deadline(), Some(later.plus(DISPUTE_PAUSE)));

    let won = disputed(&waiting, Won, 0);
    assert_eq!(won.deadline(), Some(NOW));
    let resumed = won.resume_refunds(NOW, NOW).unwrap().payment;
    assert_eq!(resumed.refunds[0].state, RefundState::Pending);
    assert_eq!(resumed.settle_by_dispute(&resumed.refunds[0], NOW, &EventContext::default()), None);
}

#[test]
fn a_refund_that_was_refused_for_a_dispute_gets_another_try() {
    let payment = refunding();
    let waiting = payment.wait_for_dispute(&payment.refunds[0], true, NOW).unwrap().payment;
    assert_eq!((waiting.refunds[0].tries, waiting.refunds[0].state), (2, RefundState::Waiting));
    let later = NOW.plus(DISPUTE_PAUSE);
    let resumed = waiting.resume_refunds(later, later).unwrap().payment;
    assert_eq!(resumed.refunds[0].state, RefundState::Pending);
}

#[test]
fn a_lost_dispute_settles_refunds_first() {
    let payment = line(&line(&captured(), 1, 700), 2, 900);
    let payment = disputed(&payment, Lost, 1_000);
    let cause = EventContext::default();
    let first = payment.settle_by_dispute(&payment.refunds[0], NOW, &cause).unwrap();
    assert_eq!(first.entry, None);
    let by = match Payments::decode(&first.events[0]).unwrap() {
        Payments::RefundIssued(issued) => (issued.amount, issued.by),
        other => panic!("{other:?}"),
    };
    assert_eq!(by, (amount(700), RefundMeans::Dispute));
    let payment = first.payment;
    assert_eq!(payment.refunds[0].state, RefundState::Settled);
    assert_eq!(payment.state, PaymentState::PartiallyRefunded);

    let second = payment.settle_by_dispute(&payment.refunds[1], NOW, &cause).unwrap().payment;
    let refund = &second.refunds[1];
    assert_eq!(
        (refund.state, refund.settled, refund.payable(), refund.tries),
        (RefundState::Pending, amount(300), amount(600), 2)
    );
    assert_eq!(second.settle_by_dispute(refund, NOW, &cause), None);
    let refund_id = refund.refund_id;
    let issued = second.settle_refund(refund_id, &RefundOutcome::Issued, NOW, &cause).unwrap();
    let payment = issued.payment;
    assert_eq!((payment.refunded(), payment.settled()), (amount(600), amount(1_000)));
    assert_eq!(payment.refundable(), amount(900));
    let rest = payment.cancel(&cause).unwrap().payment;
    let rest_id = rest.refunds[2].refund_id;
    let all = rest.settle_refund(rest_id, &RefundOutcome::Issued, NOW, &cause).unwrap().payment;
    assert_eq!(all.state, PaymentState::Refunded);
}

#[test]
fn a_failed_refund_is_settled_by_a_lost_dispute_when_tried_again() {
    let cause = EventContext::default();
    let payment = refunding();
    let id = payment.refunds[0].refund_id;
    let outcome = RefundOutcome::Failed { reason: DeclineCode::new("lost_or_stolen_card") };
    let failed = payment.settle_refund(id, &outcome, NOW, &cause).unwrap().payment;
    let lost = disputed(&failed, Lost, 2_500);
    assert_eq!(lost.settle_by_dispute(&lost.refunds[0], NOW, &cause), None);
    let retried = lost.retry_failed_refund(id, NOW).unwrap().payment;
    let settled = retried.settle_by_dispute(&retried.refunds[0], NOW, &cause).unwrap();
    assert_eq!(settled.entry.unwrap().kind, EntryKind::DueRefundSettled);
    let payment = settled.payment;
    assert_eq!((payment.refund_due(), payment.settled()), (Amount::ZERO, amount(2_500)));
    assert_eq!(payment.state, PaymentState::Refunded);
}

#[test]
fn goodwill_is_limited_by_what_a_lost_dispute_took() {
    let open = disputed(&captured(), Open, 1_000);
    assert_eq!(grant(&open, 1), Err(GoodwillError::Disputed(PaymentState::Captured)));
    let lost = disputed(&open, Lost, 1_000);
    assert_eq!(grant(&lost, 1_501), Err(GoodwillError::MoreThanLeft { left: amount(1_500) }));
    assert!(matches!(grant(&lost, 1_500), Ok(Granted::Now(_))));

    let cause = EventContext::default();
    let refunding = line(&lost, 1, 1_000);
    let settled = refunding.settle_by_dispute(&refunding.refunds[0], NOW, &cause).unwrap().payment;
    assert!(matches!(grant(&settled, 1_500), Ok(Granted::Now(_))));
}

#[test]
fn a_payment_stored_without_disputes_has_none() {
    let payment = captured();
    let mut stored = serde_json::to_value(&payment).unwrap();
    let fields = stored.as_object_mut().unwrap();
    fields.retain(|name, _| !["disputes", "compensated_lines"].contains(&name.as_str()));
    assert_eq!(serde_json::from_value::<Payment>(stored).unwrap(), payment);
}

/// A payment whose second attempt is the capture, and whose first has succeeded as well.
fn with_surplus() -> Payment {
    let cause = EventContext::default();
    let second = IntentId::parse("pi_second").unwrap();
    let settle = |payment: &Payment, intent: &IntentId, outcome: &ChargeOutcome| {
        payment.settle_intent(intent, outcome, NOW, &cause).unwrap().payment
    };
    let first = Payment::pending(&stock_reserved(), Duration::from_secs(600), NOW, &cause).payment;
    let first = first.record_intent(&intent_id(), NOW).unwrap().payment;
    let declined = ChargeOutcome::Failed { reason: DeclineCode::new("insufficient_funds") };
    let failed = settle(&first, &intent_id(), &declined);
    let key = AttemptKey::of("key", "pm_card_visa");
    let again = failed.pay_again("pm_card_visa", key, NOW).unwrap().payment;
    let again = again.record_intent(&second, NOW).unwrap().payment;
    let captured = settle(&again, &second, &ChargeOutcome::Captured);
    settle(&captured, &intent_id(), &ChargeOutcome::Captured)
}

#[test]
fn a_lost_dispute_settles_refunds_of_its_charge_only() {
    let lost = disputed(&with_surplus(), Lost, 2_500);
    assert_eq!(
        (lost.unsettled_loss(None), lost.unsettled_loss(Some(1))),
        (amount(0), amount(2_500))
    );
    let cause = EventContext::default();
    let cancelled = lost.cancel(&cause).unwrap().payment;
    let [surplus, rest] = &cancelled.refunds[..] else { panic!("{:?}", cancelled.refunds) };
    assert_eq!(cancelled.settle_by_dispute(rest, NOW, &cause), None);
    let settled = cancelled.settle_by_dispute(surplus, NOW, &cause).unwrap().payment;
    assert_eq!(settled.refunds[0].state, RefundState::Settled);
    // Neither is part of the capture.
    assert_eq!((settled.settled(), settled.unsettled_loss(Some(1))), (amount(0), amount(0)));
    assert_eq!(settled.state, PaymentState::Captured);
}
