use super::charge_steps::{
    SettleError, cancel_charge, record_progress, record_refund, settle_refunds, update_payment,
};
use crate::{
    domain::{
        intent::{ChargeOutcome, IntentId, IntentState},
        payment::Payment,
    },
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, OrderId, RefundId, StoreError};

/// The provider's notification that an order's charge or one of its refunds may have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeNotification {
    pub order_id: OrderId,
    pub intent: IntentId,
    /// The refund that the notification is about.
    pub refund: Option<RefundId>,
}

/// The outcome of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// An outcome was recorded.
    Recorded,
    /// The outcome was recorded before, or isn't known yet.
    Unchanged,
    /// No payment has this charge or refund.
    UnknownCharge,
}

/// Errors after which the provider must redeliver the webhook.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveWebhookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Reads the charge's or the refund's state at the provider, whatever the notification says, and
/// records it; payments of cancelled orders are refunded at once. Idempotent, and
/// independent of the order in which notifications arrive.
///
/// # Errors
/// [`ReceiveWebhookError`]: the webhook must be redelivered.
pub async fn receive_webhook(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    notification: &ChargeNotification,
    traceparent: Option<String>,
    clock: &(impl Clock + ?Sized),
) -> Result<WebhookOutcome, ReceiveWebhookError> {
    // Intents are recorded before they are confirmed, so that an unrecorded one can't have ended.
    let payment = store.payment(notification.order_id).await?;
    let intent = &notification.intent;
    let Some(payment) = payment.filter(|payment| payment.attempt_of(intent).is_some()) else {
        return Ok(WebhookOutcome::UnknownCharge);
    };
    let version = payment.version;
    let cause = payment.cause(traceparent);
    let payment = if let Some(refund_id) = notification.refund {
        let refund = payment.refund(refund_id);
        if refund.and_then(|refund| payment.refunded_intent(refund)) != Some(intent) {
            return Ok(WebhookOutcome::UnknownCharge);
        }
        record_refund(store, provider, payment, intent, refund_id, clock.now(), &cause).await?
    } else {
        let state = provider.retrieve_intent(intent).await.map_err(SettleError::from)?;
        record_charge(store, provider, payment, intent, &state, &cause, clock).await?
    };
    let now = clock.now();
    let payment = settle_refunds(store, provider, payment, now, now, &cause).await?;
    Ok(if payment.version == version {
        WebhookOutcome::Unchanged
    } else {
        WebhookOutcome::Recorded
    })
}

/// Records the state of an attempt's intent.
pub(super) async fn record_charge(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    mut payment: Payment,
    intent: &IntentId,
    state: &IntentState,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, SettleError> {
    let Some(outcome) = state.outcome() else {
        // Past its deadline it is about to be cancelled.
        if !payment.may_charge(clock.now()) {
            return Ok(payment);
        }
        return Ok(record_progress(store, payment, intent, state, cause, clock).await?);
    };
    if outcome == ChargeOutcome::Captured {
        payment = end_later_attempt(store, provider, payment, intent, cause, clock).await?;
    }
    let settle = |payment: &Payment| payment.settle_intent(intent, &outcome, clock.now(), cause);
    Ok(update_payment(store, payment, settle).await?)
}

/// Before the success of an earlier attempt is recorded, the current one is cancelled, unless it
/// has succeeded too.
async fn end_later_attempt(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    payment: Payment,
    succeeded: &IntentId,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, SettleError> {
    let later = payment.intent_id.clone().filter(|current| current != succeeded);
    let Some(later) = later.filter(|_| payment.is_charging()) else { return Ok(payment) };
    match cancel_charge(provider, &later).await? {
        None => Err(SettleError::Unresolvable(payment.order_id)),
        Some(outcome @ ChargeOutcome::Captured) => {
            let settle =
                |payment: &Payment| payment.settle_intent(&later, &outcome, clock.now(), cause);
            Ok(update_payment(store, payment, settle).await?)
        }
        Some(_) => Ok(payment),
    }
}
