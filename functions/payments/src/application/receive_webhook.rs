use super::charge_steps::{SettleError, settle_refunds, update_payment};
use crate::{
    domain::intent::IntentId,
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_kernel::{OrderId, StoreError, Timestamp};

/// What the provider tells of: a charge of ours may have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeNotification {
    pub order_id: OrderId,
    pub intent: IntentId,
}

/// What became of the provider's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The charge's end is recorded now.
    Recorded,
    /// It was known, or hasn't come.
    Unchanged,
    /// No payment of ours has that charge.
    UnknownCharge,
}

/// Why the provider has to tell it again.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveWebhookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Step(#[from] SettleError),
}

/// Asks the provider how the charge stands, whatever its message said, and records the end; what a cancelled order has
/// paid goes back at once. Late, twice and in any order, it changes nothing that it should not.
///
/// # Errors
/// [`ReceiveWebhookError`]: the provider has to tell it again.
pub async fn receive_webhook(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    told: &ChargeNotification,
    traceparent: Option<String>,
    now: Timestamp,
) -> Result<WebhookOutcome, ReceiveWebhookError> {
    // A charge is confirmed only after its name is recorded, so one that nobody recorded has nothing to tell.
    let known = store.payment(told.order_id).await?;
    let Some(payment) = known.filter(|payment| payment.intent_id.as_ref() == Some(&told.intent))
    else {
        return Ok(WebhookOutcome::UnknownCharge);
    };
    let version = payment.version;
    let cause = payment.cause(traceparent);
    let state = provider.retrieve_intent(&told.intent).await.map_err(SettleError::from)?;
    let payment = match state.outcome() {
        Some(end) => {
            update_payment(store, payment, |payment| payment.settle(&end, now, &cause)).await?
        }
        None => payment,
    };
    let payment = settle_refunds(store, provider, payment, now, &cause).await?;
    Ok(if payment.version == version {
        WebhookOutcome::Unchanged
    } else {
        WebhookOutcome::Recorded
    })
}
