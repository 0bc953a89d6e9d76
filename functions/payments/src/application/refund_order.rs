use super::charge_steps::settle_refunds;
use crate::{
    domain::{
        payment::{GoodwillError, Granted, Payment},
        refund::{GoodwillReason, Refund},
    },
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_kernel::{
    Amount, OrderId, StoreError, Timestamp, digest,
    store::{self, Attempt},
};

/// A supervisor's request to refund an amount for goodwill, under an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundOrder<'a> {
    pub order_id: OrderId,
    pub idempotency_key: &'a str,
    pub amount: Amount,
    pub reason: GoodwillReason,
}

/// A refund as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodwillRefund {
    pub refund: Refund,
    /// An earlier request with the key has granted it.
    pub replayed: bool,
}

/// An error of [`refund_order`]. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RefundOrderError {
    #[error("the order has no payment")]
    NotFound,
    #[error(transparent)]
    Refused(#[from] GoodwillError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Grants a refund once for each key, and sends it to the provider. If that fails, the refund stays
/// open, and the sweep sends it.
///
/// # Errors
/// [`RefundOrderError`]; nothing was changed then.
pub async fn refund_order(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    request: &RefundOrder<'_>,
    traceparent: Option<String>,
    now: Timestamp,
) -> Result<GoodwillRefund, RefundOrderError> {
    let key = digest::hex(&digest::sha256(&[request.idempotency_key.as_bytes()]));
    let grant = || grant(store, request, &key);
    let (payment, replayed) = store::update(grant).await?;
    let payment =
        if replayed { payment } else { send(store, provider, payment, traceparent, now).await };
    let Refund { refund_id, .. } =
        Refund::of_goodwill(request.order_id, &key, request.amount, request.reason.clone());
    let refund = payment.refund(refund_id).cloned().ok_or(RefundOrderError::NotFound)?;
    Ok(GoodwillRefund { refund, replayed })
}

/// Starts the refund; returns whether an earlier request with the key has.
async fn grant(
    store: &(impl PaymentReader + PaymentWriter),
    request: &RefundOrder<'_>,
    key: &str,
) -> Result<Attempt<(Payment, bool)>, RefundOrderError> {
    let stored = store.payment(request.order_id).await?;
    let payment = stored.filter(|payment| payment.charge.is_some());
    let payment = payment.ok_or(RefundOrderError::NotFound)?;
    match payment.grant_goodwill(key, request.amount, &request.reason)? {
        Granted::Before => Ok(Attempt::Done((payment, true))),
        Granted::Now(change) => {
            let write = store.save(&change).await?;
            Ok(write.into_attempt((change.payment, false)))
        }
    }
}

/// Sends the payment's open refunds, and returns the payment after that as far as it is known.
async fn send(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    payment: Payment,
    traceparent: Option<String>,
    now: Timestamp,
) -> Payment {
    let cause = payment.cause(traceparent);
    match settle_refunds(store, provider, payment.clone(), now, now, &cause).await {
        Ok(settled) => settled,
        Err(error) => {
            tracing::warn!(order = %payment.order_id, %error, "refund left to the sweep");
            payment
        }
    }
}

#[cfg(test)]
mod tests;
