use super::steps::{StepError, advance, finish_refunds};
use crate::{
    domain::intent::IntentId,
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_kernel::{OrderId, StoreError, Timestamp};

/// What the provider tells of: a charge of ours may have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub order_id: OrderId,
    pub intent: IntentId,
}

/// What became of the provider's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The charge's end is recorded now.
    Recorded,
    /// It was known, or hasn't come.
    Nothing,
    /// No payment of ours has that charge.
    Unknown,
}

/// Why the provider has to tell it again.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveWebhookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Asks the provider how the charge stands, whatever its message said, and records the end; what a cancelled order has
/// paid goes back at once. Late, twice and in any order, it changes nothing that it should not.
///
/// # Errors
/// [`ReceiveWebhookError`]: the provider has to tell it again.
pub async fn receive_webhook(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    told: &Told,
    traceparent: Option<String>,
    now: Timestamp,
) -> Result<Received, ReceiveWebhookError> {
    // A charge is confirmed only after its name is recorded, so one that nobody recorded has nothing to tell.
    let known = store.payment(told.order_id).await?;
    let Some(payment) = known.filter(|payment| payment.intent_id.as_ref() == Some(&told.intent))
    else {
        return Ok(Received::Unknown);
    };
    let version = payment.version;
    let cause = payment.cause(traceparent);
    let state = provider.retrieve_intent(&told.intent).await.map_err(StepError::from)?;
    let payment = match state.end() {
        Some(end) => advance(store, payment, |payment| payment.end(&end, now, &cause)).await?,
        None => payment,
    };
    let payment = finish_refunds(store, provider, payment, now, &cause).await?;
    Ok(if payment.version == version { Received::Nothing } else { Received::Recorded })
}
