use crate::{
    domain::intent::{PaymentIntent, PaymentIntentState},
    ports::IntentStore,
};
use rialto_kernel::{
    StoreError,
    store::{self, Attempt},
};

/// Lets a processing charge succeed. Returns the payment intent if its charge has succeeded, now or
/// before, and `None` if it ended in another way.
///
/// # Errors
/// [`StoreError`]: retryable.
pub async fn settle_charge(
    store: &impl IntentStore,
    id: &str,
) -> Result<Option<PaymentIntent>, StoreError> {
    store::update(|| async {
        let Some(intent) = store.intent(id).await? else { return Ok(Attempt::Done(None)) };
        let Some(settled) = intent.settle() else {
            let succeeded = intent.state == PaymentIntentState::Succeeded;
            return Ok(Attempt::Done(succeeded.then_some(intent)));
        };
        Ok(store.write(Some(&settled), None).await?.into_attempt(Some(settled)))
    })
    .await
}
