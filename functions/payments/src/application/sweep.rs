use super::{
    charge_steps::{SettleError, cancel_charge, settle_refunds, update_payment},
    receive_dispute::record_dispute,
};
use crate::{
    domain::{dispute::DisputeStanding, payment::Payment, refund::RefundState},
    ports::{DisputeProvider, PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::EventContext;
use rialto_kernel::{DueQueue, OrderId, StoreError, Timestamp};
use rialto_lambda::sweep::{SweepPolicy, SweepRun, SweepSummary, Visit, visit_due};
use std::time::Duration;

/// A visit sends up to five requests to the provider, of 4 seconds at most.
const POLICY: SweepPolicy = SweepPolicy {
    concurrency: 10,
    reserve: Duration::from_secs(20),
    retry_after: Duration::from_secs(5 * 60),
};

/// A payment could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Settles payments with an unfinished charge or refund past their deadline: a charge is cancelled
/// unless it has ended, and its outcome recorded; an open refund is settled, and one that waits for
/// a dispute is taken further. The index only lists
/// candidates; the payment itself decides. What stays open is postponed.
///
/// # Errors
/// [`StoreError`] if the candidates can't be listed or postponed.
pub async fn sweep(
    store: &(impl DueQueue<Id = OrderId> + PaymentReader + PaymentWriter + Sync),
    provider: &(impl Provider + DisputeProvider + Sync),
    run: &SweepRun,
) -> Result<SweepSummary, StoreError> {
    let traceparent = run.event_context().traceparent;
    let traceparent = traceparent.as_deref();
    let (now, pause_from) = (run.now, run.pauses_from());
    let visit = |order| settle(store, provider, order, now, pause_from, traceparent);
    visit_due(store, run, &POLICY, visit).await
}

/// Settles one payment.
async fn settle(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &(impl Provider + DisputeProvider),
    order: OrderId,
    now: Timestamp,
    pause_from: Timestamp,
    traceparent: Option<&str>,
) -> Result<Visit, SweepError> {
    let is_due = |payment: &Payment| payment.deadline().is_some_and(|deadline| deadline <= now);
    let payment = store.payment(order).await?;
    let Some(mut payment) = payment.filter(is_due) else { return Ok(Visit::Waiting) };
    let cause = payment.cause(traceparent.map(str::to_owned));
    if let Some(intent) = payment.intent_id.as_ref().filter(|_| payment.is_charging())
        && let Some(outcome) = cancel_charge(provider, intent).await.map_err(SettleError::from)?
    {
        payment =
            update_payment(store, payment, |payment| payment.settle(&outcome, now, &cause)).await?;
    }
    let payment = resume_refunds(store, provider, payment, now, pause_from, &cause).await?;
    let payment = settle_refunds(store, provider, payment, now, pause_from, &cause).await?;
    Ok(if is_due(&payment) { Visit::Waiting } else { Visit::Settled })
}

/// Takes refunds further that have waited for a dispute, after reading it at the provider.
async fn resume_refunds(
    store: &impl PaymentWriter,
    provider: &impl DisputeProvider,
    mut payment: Payment,
    now: Timestamp,
    pause_from: Timestamp,
    cause: &EventContext,
) -> Result<Payment, SweepError> {
    if !payment.refunds.iter().any(|refund| refund.state == RefundState::Waiting || refund.retrying)
    {
        return Ok(payment);
    }
    let open = payment.disputes.iter().filter(|dispute| dispute.state == DisputeStanding::Open);
    for dispute_id in open.map(|dispute| dispute.dispute_id.clone()).collect::<Vec<_>>() {
        let report = provider.retrieve_dispute(&dispute_id).await.map_err(SettleError::from)?;
        payment = record_dispute(store, payment, &report, now, cause).await?;
    }
    let resume = |payment: &Payment| payment.resume_refunds(now, pause_from);
    Ok(update_payment(store, payment, resume).await?)
}
