use super::charge_steps::{SettleError, cancel_charge, settle_refunds, update_payment};
use crate::{
    domain::payment::{Payment, PaymentState},
    ports::{ExpiredPayments, PaymentReader, PaymentWriter, Provider},
};
use futures_util::{StreamExt, stream};
use rialto_kernel::{OrderId, StoreError, Timestamp};

/// Payments that one sweep settles at most; the next one runs a minute later.
pub const BATCH_LIMIT: usize = 500;
/// Payments that are settled concurrently: most of the time is spent waiting for the provider.
const CONCURRENCY: usize = 10;

/// The result of a sweep.
#[derive(Debug, Default)]
pub struct SweepSummary {
    pub settled: usize,
    /// Payments whose charge is still processing at the provider, or that aren't due.
    pub skipped: usize,
    /// Payments that the next sweep must retry, each with its error.
    pub failed: Vec<(OrderId, SweepError)>,
}

/// A payment could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Settles payments with an unfinished charge or refund past their deadline: a charge is cancelled
/// unless it has ended, and its outcome recorded; a pending refund is settled. The index only lists
/// candidates; the payment itself decides. A failing payment doesn't block the others. No payment
/// is started once `out_of_time` returns true.
///
/// # Errors
/// [`StoreError`] if the candidates can't be listed.
pub async fn sweep(
    store: &(impl ExpiredPayments + PaymentReader + PaymentWriter + Sync),
    provider: &(impl Provider + Sync),
    now: Timestamp,
    traceparent: Option<&str>,
    out_of_time: impl Fn() -> bool,
) -> Result<SweepSummary, StoreError> {
    let due = store.due_before(now, BATCH_LIMIT).await?.into_iter().take_while(|_| !out_of_time());
    let results = stream::iter(due)
        .map(|order| async move { (order, settle(store, provider, order, now, traceparent).await) })
        .buffer_unordered(CONCURRENCY);
    let count = |mut summary: SweepSummary, (order, result)| {
        match result {
            Ok(true) => summary.settled += 1,
            Ok(false) => summary.skipped += 1,
            Err(error) => summary.failed.push((order, error)),
        }
        std::future::ready(summary)
    };
    Ok(results.fold(SweepSummary::default(), count).await)
}

/// Settles one payment; returns whether nothing of it is unfinished.
async fn settle(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    order: OrderId,
    now: Timestamp,
    traceparent: Option<&str>,
) -> Result<bool, SweepError> {
    let is_due = |payment: &Payment| payment.deadline().is_some_and(|deadline| deadline <= now);
    let Some(mut payment) = store.payment(order).await?.filter(is_due) else { return Ok(false) };
    let cause = payment.cause(traceparent.map(str::to_owned));
    if let (PaymentState::Processing, Some(intent)) = (payment.state, &payment.intent_id)
        && let Some(outcome) = cancel_charge(provider, intent).await.map_err(SettleError::from)?
    {
        payment =
            update_payment(store, payment, |payment| payment.settle(&outcome, now, &cause)).await?;
    }
    let payment = settle_refunds(store, provider, payment, now, &cause).await?;
    Ok(payment.deadline().is_none())
}
