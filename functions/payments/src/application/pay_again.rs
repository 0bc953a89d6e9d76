use super::{
    charge::charge_order,
    charge_steps::{SettleError, cancel_or_retrieve, update_payment},
};
use crate::{
    domain::{
        intent::{ChargeOutcome, IntentState},
        payment::{AttemptKey, Payment, PaymentState},
    },
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, OrderId, PlantedBug, StoreError, UserId, Write, store::MAX_ATTEMPTS};

/// A request to pay with another payment method, under an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayAgain<'a> {
    pub order: OrderId,
    pub payment_method: &'a str,
    pub idempotency_key: &'a str,
}

/// The payment after the attempt, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidAgain {
    pub payment: Payment,
    /// The attempt was begun by an earlier request with the same key.
    pub replayed: bool,
}

/// An error of [`pay_again`]. No attempt was made.
#[derive(Debug, thiserror::Error)]
pub enum PayAgainError {
    /// The order has no payment, or it is another buyer's.
    #[error("payment not found")]
    NotFound,
    #[error("Idempotency-Key already used for another request")]
    KeyReused,
    /// The payment hasn't failed, or the time to pay again is over.
    #[error("the payment can't be paid again in state {0:?}")]
    NotRetryable(PaymentState),
    /// The earlier attempt can't be cancelled for now.
    #[error("the earlier charge isn't cancelled: {0}")]
    EarlierCharge(SettleError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a further attempt to pay an order whose payment has failed, while there is time. First the
/// earlier intent is cancelled; if it has succeeded, that is the capture, and no attempt is made.
/// Once the attempt is stored it is continued as far as it comes; the sweep takes it further.
///
/// # Errors
/// [`PayAgainError`]; no attempt was made then.
pub async fn pay_again(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    request: &PayAgain<'_>,
    may_pay: impl Fn(UserId) -> bool,
    traceparent: Option<String>,
    clock: &(impl Clock + ?Sized),
) -> Result<PaidAgain, PayAgainError> {
    let key = AttemptKey::of(request.idempotency_key, request.payment_method);
    let payment = store.payment(request.order).await?;
    let payment = payment.filter(|payment| payment.charge.is_some() && may_pay(payment.user_id));
    let mut payment = payment.ok_or(PayAgainError::NotFound)?;
    let cause = payment.cause(traceparent);
    for _ in 0..MAX_ATTEMPTS {
        if let Some(replayed) = replay(&payment, &key)? {
            return Ok(replayed);
        }
        payment = end_failed_attempt(store, provider, payment, &cause, clock).await?;
        let begun = payment.pay_again(request.payment_method, key.clone(), clock.now());
        let Some(begun) = begun else { return Err(PayAgainError::NotRetryable(payment.state)) };
        match store.save(&begun).await? {
            Write::Conflict(stored) => payment = *stored,
            Write::Done => {
                let stored = begun.payment;
                let charged = charge_order(store, provider, stored.clone(), &cause, clock).await;
                let payment = match charged {
                    Ok(payment) => payment,
                    Err(error) => {
                        tracing::warn!(order = %request.order, %error, "left to the sweep");
                        store.payment(request.order).await.ok().flatten().unwrap_or(stored)
                    }
                };
                return Ok(PaidAgain { payment, replayed: false });
            }
        }
    }
    Err(StoreError::Contended.into())
}

/// The response to a key that has begun an attempt before.
fn replay(payment: &Payment, key: &AttemptKey) -> Result<Option<PaidAgain>, PayAgainError> {
    match payment.begun_under(key) {
        _ if PlantedBug::PaidAgainTwice.is_planted() => Ok(None),
        None => Ok(None),
        Some(begun) if begun == key => {
            Ok(Some(PaidAgain { payment: payment.clone(), replayed: true }))
        }
        Some(_) => Err(PayAgainError::KeyReused),
    }
}

/// Cancels the intent of a failed attempt, which could still be charged. A success is recorded.
async fn end_failed_attempt(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    payment: Payment,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, PayAgainError> {
    if !payment.may_pay_again(clock.now()) {
        return Err(PayAgainError::NotRetryable(payment.state));
    }
    let Some(intent) = payment.intent_id.clone() else { return Ok(payment) };
    let cancelled = cancel_or_retrieve(provider, &intent).await;
    match cancelled.map_err(|error| PayAgainError::EarlierCharge(error.into()))? {
        IntentState::Canceled => Ok(payment),
        IntentState::Succeeded => {
            let settle = |payment: &Payment| {
                payment.settle_intent(&intent, &ChargeOutcome::Captured, clock.now(), cause)
            };
            Ok(update_payment(store, payment, settle).await?)
        }
        _ => Err(PayAgainError::EarlierCharge(SettleError::Unresolvable(payment.order_id))),
    }
}
