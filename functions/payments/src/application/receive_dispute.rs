use super::{
    charge_steps::{SettleError, settle_refunds, update_payment},
    receive_webhook::{ReceiveWebhookError, WebhookOutcome, record_charge},
};
use crate::{
    domain::{
        dispute::{DisputeId, DisputeReport},
        payment::Payment,
    },
    ports::{DisputeProvider, PaymentReader, PaymentWriter, Provider, ProviderError},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, StoreError, Timestamp, Write, store::MAX_ATTEMPTS};

/// Reads a dispute at the provider, whatever the notification says, and records it; once it is
/// decided, the refunds that waited for it are taken further. Idempotent, and independent of the
/// order in which notifications arrive.
///
/// # Errors
/// [`ReceiveWebhookError`]: the webhook must be redelivered.
pub async fn receive_dispute(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &(impl Provider + DisputeProvider),
    dispute_id: &DisputeId,
    traceparent: Option<String>,
    clock: &(impl Clock + ?Sized),
) -> Result<WebhookOutcome, ReceiveWebhookError> {
    let report = match provider.retrieve_dispute(dispute_id).await {
        Err(ProviderError::Refused(_)) => return Ok(WebhookOutcome::UnknownCharge),
        response => response.map_err(SettleError::from)?,
    };
    let order = provider.intent_order(&report.intent_id).await.map_err(SettleError::from)?;
    let Some(order) = order else { return Ok(WebhookOutcome::UnknownCharge) };
    let payment = store.payment(order).await?;
    let is_attempt = |payment: &Payment| payment.attempt_of(&report.intent_id).is_some();
    let Some(payment) = payment.filter(is_attempt) else {
        return Ok(WebhookOutcome::UnknownCharge);
    };
    let version = payment.version;
    let cause = payment.cause(traceparent);
    let payment = record_disputed_charge(store, provider, payment, &report, &cause, clock).await?;
    let now = clock.now();
    let payment = record_dispute(store, payment, &report, now, &cause).await?;
    let payment =
        update_payment(store, payment, |payment| payment.resume_refunds(now, now)).await?;
    let payment = settle_refunds(store, provider, payment, now, now, &cause).await?;
    Ok(if payment.version == version {
        WebhookOutcome::Unchanged
    } else {
        WebhookOutcome::Recorded
    })
}

/// Records the success of the disputed charge, whose own webhook may still be on its way.
async fn record_disputed_charge(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    payment: Payment,
    report: &DisputeReport,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, SettleError> {
    let intent = &report.intent_id;
    if payment.has_success_of(intent) {
        return Ok(payment);
    }
    let state = provider.retrieve_intent(intent).await?;
    record_charge(store, provider, payment, intent, &state, cause, clock).await
}

/// Records everything that the provider reports of a dispute, one difference in each write.
pub(super) async fn record_dispute(
    store: &impl PaymentWriter,
    mut payment: Payment,
    report: &DisputeReport,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Payment, StoreError> {
    let mut conflicts = 0..MAX_ATTEMPTS;
    while let Some(change) = payment.record_dispute(report, now, cause) {
        match store.save(&change).await? {
            Write::Done => payment = change.payment,
            Write::Conflict(stored) => {
                conflicts.next().ok_or(StoreError::Contended)?;
                payment = *stored;
            }
        }
    }
    if payment.dispute(&report.dispute_id).is_none() {
        let (order, dispute) = (payment.order_id, report.dispute_id.as_str());
        tracing::error!(%order, dispute, "too many disputes of one order, dispute not recorded");
    }
    Ok(payment)
}
