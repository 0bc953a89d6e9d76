use super::charge_steps::{SettleError, cancel_charge, settle_refunds, update_payment};
use crate::{
    domain::payment::{Payment, PaymentState},
    ports::{ExpiredPayments, PaymentReader, PaymentWriter, Provider},
};
use futures_util::{StreamExt, stream};
use rialto_kernel::{OrderId, StoreError, Timestamp};

/// How many payments one sweep takes at most; the next one goes on a minute later.
pub const BATCH_LIMIT: usize = 500;
/// How many are taken at once: most of the time is the provider's.
const CONCURRENCY: usize = 10;

/// What a sweep did.
#[derive(Debug, Default)]
pub struct SweepSummary {
    /// Nothing is under way any more.
    pub settled: usize,
    /// Something still is: the provider doesn't know, or it isn't due after all.
    pub skipped: usize,
    /// Those that the next sweep has to try again, and why.
    pub failed: Vec<(OrderId, SweepError)>,
}

/// Why a payment couldn't be settled.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Step(#[from] SettleError),
}

/// Settles payments whose deadline has passed with something under way. A charge is retrieved, cancelled if it hasn't
/// ended, and recorded as the provider says; a refund that was begun is finished. The index only finds them; what each
/// is, its own item tells. One that fails doesn't keep the others. Begins no more once `enough` says so.
///
/// # Errors
/// [`StoreError`] when they can't be listed.
pub async fn sweep(
    store: &(impl ExpiredPayments + PaymentReader + PaymentWriter + Sync),
    provider: &(impl Provider + Sync),
    now: Timestamp,
    traceparent: Option<&str>,
    enough: impl Fn() -> bool,
) -> Result<SweepSummary, StoreError> {
    let due = store.due_before(now, BATCH_LIMIT).await?.into_iter().take_while(|_| !enough());
    let settled = stream::iter(due)
        .map(|order| async move { (order, settle(store, provider, order, now, traceparent).await) })
        .buffer_unordered(CONCURRENCY);
    let count = |mut swept: SweepSummary, (order, result)| {
        match result {
            Ok(true) => swept.settled += 1,
            Ok(false) => swept.skipped += 1,
            Err(error) => swept.failed.push((order, error)),
        }
        std::future::ready(swept)
    };
    Ok(settled.fold(SweepSummary::default(), count).await)
}

/// Tells whether nothing is under way any more.
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
        && let Some(end) = cancel_charge(provider, intent).await.map_err(SettleError::from)?
    {
        payment =
            update_payment(store, payment, |payment| payment.settle(&end, now, &cause)).await?;
    }
    let payment = settle_refunds(store, provider, payment, now, &cause).await?;
    Ok(payment.deadline().is_none())
}
