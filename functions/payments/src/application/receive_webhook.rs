use super::charge_steps::{
    SettleError, record_progress, record_refund, settle_refunds, update_payment,
};
use crate::{
    domain::{
        intent::{IntentId, IntentState},
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
    let Some(payment) =
        payment.filter(|payment| payment.intent_id.as_ref() == Some(&notification.intent))
    else {
        return Ok(WebhookOutcome::UnknownCharge);
    };
    let version = payment.version;
    let cause = payment.cause(traceparent);
    let payment = if let Some(refund_id) = notification.refund {
        if payment.refund(refund_id).is_none() {
            return Ok(WebhookOutcome::UnknownCharge);
        }
        let intent = &notification.intent;
        record_refund(store, provider, payment, intent, refund_id, clock.now(), &cause).await?
    } else {
        let state = provider.retrieve_intent(&notification.intent).await;
        let state = state.map_err(SettleError::from)?;
        record_charge(store, payment, &state, &cause, clock).await?
    };
    let now = clock.now();
    let payment = settle_refunds(store, provider, payment, now, now, &cause).await?;
    Ok(if payment.version == version {
        WebhookOutcome::Unchanged
    } else {
        WebhookOutcome::Recorded
    })
}

/// Records the state of a charge's intent.
async fn record_charge(
    store: &impl PaymentWriter,
    payment: Payment,
    state: &IntentState,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, StoreError> {
    match state.outcome() {
        Some(outcome) => {
            let settle = |payment: &Payment| payment.settle(&outcome, clock.now(), cause);
            update_payment(store, payment, settle).await
        }
        // Past its deadline it is about to be cancelled.
        None if !payment.may_charge(clock.now()) => Ok(payment),
        None => record_progress(store, payment, state, cause, clock).await,
    }
}
