use super::{
    charge::charge_order,
    charge_steps::{
        SettleError, cancel_charge, settle_refunds, settle_started_charge, update_payment,
    },
    receive_dispute::record_dispute,
};
use crate::{
    domain::{
        dispute::DisputeStanding,
        payment::{Payment, PaymentState},
        refund::RefundState,
    },
    ports::{DisputeProvider, PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, DueQueue, OrderId, StoreError, Timestamp};
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

/// Takes unfinished payments further. A charge that began a minute ago, or a further attempt, is
/// continued; past the deadline a charge is cancelled unless it has ended, and its outcome
/// recorded. The time to pay again is ended, an open refund settled, and one that waits for a
/// dispute taken further. The index only lists candidates; the payment itself decides. What stays
/// open is postponed.
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
    let pause_from = run.pauses_from();
    let visit = |order| settle(store, provider, order, run, pause_from, traceparent);
    visit_due(store, run, &POLICY, visit).await
}

/// The time of a run by which deadlines have passed: of its `now` and its clock, the later.
struct LatestTime<'a>(&'a SweepRun);

impl Clock for LatestTime<'_> {
    fn now(&self) -> Timestamp {
        self.0.latest()
    }
}

/// Settles one payment.
async fn settle(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &(impl Provider + DisputeProvider),
    order: OrderId,
    run: &SweepRun,
    pause_from: Timestamp,
    traceparent: Option<&str>,
) -> Result<Visit, SweepError> {
    let now = run.now;
    let is_due = |payment: &Payment| payment.deadline().is_some_and(|deadline| deadline <= now);
    let payment = store.payment(order).await?;
    let Some(payment) = payment.filter(is_due) else { return Ok(Visit::Waiting) };
    let cause = payment.cause(traceparent.map(str::to_owned));
    let payment = update_payment(store, payment, |payment| payment.end_retry(now, &cause)).await?;
    let payment = advance(store, provider, payment, run, &cause).await?;
    let payment = resume_refunds(store, provider, payment, now, pause_from, &cause).await?;
    let payment = settle_refunds(store, provider, payment, now, pause_from, &cause).await?;
    if !is_due(&payment) {
        return Ok(Visit::Settled);
    }
    // What may still be charged is visited again at its deadline.
    let deadline = payment.charge.as_ref().map(|charge| charge.expires_at);
    Ok(match deadline {
        Some(deadline) if deadline > now => Visit::WaitingUntil(deadline),
        _ => Visit::Waiting,
    })
}

/// Continues the charge, or ends it after its deadline.
async fn advance(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    payment: Payment,
    run: &SweepRun,
    cause: &EventContext,
) -> Result<Payment, SettleError> {
    let clock = LatestTime(run);
    let in_time = payment
        .charge
        .as_ref()
        .is_some_and(|charge| run.now < charge.expires_at && clock.now() < charge.expires_at);
    let intent = payment.intent_id.clone().filter(|_| payment.is_charging());
    match intent {
        None if in_time && payment.state == PaymentState::Pending => {
            charge_order(store, provider, payment, cause, &clock).await
        }
        None => Ok(payment),
        Some(intent) if in_time => {
            settle_started_charge(store, provider, payment, &intent, None, cause, &clock).await
        }
        Some(intent) => match cancel_charge(provider, &intent).await? {
            Some(outcome) => {
                let settle =
                    |payment: &Payment| payment.settle_intent(&intent, &outcome, run.now, cause);
                Ok(update_payment(store, payment, settle).await?)
            }
            None => Ok(payment),
        },
    }
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
