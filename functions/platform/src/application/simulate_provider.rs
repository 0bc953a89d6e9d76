use crate::{
    domain::{
        idempotency::{IdempotencyRecord, StoredResponse},
        intent::{IntentCommand, IntentTransition, ProviderError, ProviderObject},
    },
    ports::IntentStore,
};
use rialto_kernel::{
    StoreError, Timestamp, digest,
    store::{self, Attempt},
};

/// A command with its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest<'a> {
    pub command: IntentCommand,
    pub idempotency_key: Option<&'a str>,
    /// SHA-256 of path and body, in hex.
    pub request_hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorResponse {
    pub response: StoredResponse,
    pub replayed: bool,
    /// Whether the response is delayed.
    pub slow: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("Idempotency-Key already used for another request")]
    KeyReused,
    #[error("connection reset")]
    Reset,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Executes a command, once for each idempotency key: the first response is stored and replayed
/// until it expires. `render` renders a result as the response that the client sees.
///
/// # Errors
/// [`SimulateError`]. Whether the command had an effect is unknown only after
/// [`StoreError::Unavailable`].
pub async fn simulate_provider(
    store: &impl IntentStore,
    request: &IdempotentRequest<'_>,
    render: impl Fn(&Result<ProviderObject, ProviderError>) -> StoredResponse,
    now: Timestamp,
) -> Result<SimulatorResponse, SimulateError> {
    let key = request.idempotency_key.map(|key| digest::hex(&digest::sha256(&[key.as_bytes()])));
    let outcome = store::update(|| async {
        let (intent, record) = store.load(request.command.intent(), key.as_deref()).await?;
        if let Some(record) = record.as_ref().filter(|record| !record.is_expired(now)) {
            if record.request_hash != request.request_hash {
                return Err(SimulateError::KeyReused);
            }
            let response = record.response.clone();
            return Ok(Attempt::Done(SimulatorResponse { response, replayed: true, slow: false }));
        }
        let IntentTransition { intent, result, slow } =
            request.command.decide(intent.as_ref(), now);
        let response = render(&result);
        let persisted = result.as_ref().err().is_none_or(ProviderError::is_persisted);
        let new_record = key.clone().filter(|_| persisted).map(|key| IdempotencyRecord {
            key,
            request_hash: request.request_hash.clone(),
            response: response.clone(),
            saved_at: now,
            version: record.map_or(1, |record| record.version + 1),
        });
        if !store.write(intent.as_ref(), new_record.as_ref()).await?.is_done() {
            return Ok(Attempt::Conflict);
        }
        match result {
            Err(ProviderError::Reset) => Err(SimulateError::Reset),
            _ => Ok(Attempt::Done(SimulatorResponse { response, replayed: false, slow })),
        }
    })
    .await;
    match outcome {
        Err(SimulateError::Store(StoreError::Contended)) => {
            let response = render(&Err(ProviderError::Locked));
            Ok(SimulatorResponse { response, replayed: false, slow: false })
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryIntents,
        domain::{
            idempotency::RETENTION,
            intent::{Metadata, NewPaymentIntent, PaymentIntentState},
            method::TestPaymentMethod,
        },
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn create(method: TestPaymentMethod) -> IntentCommand {
        IntentCommand::Create(NewPaymentIntent {
            method: Some(method),
            ..NewPaymentIntent::new("pi_1", 1_000, "eur")
        })
    }

    fn confirm() -> IntentCommand {
        IntentCommand::Confirm { id: "pi_1".to_owned(), method: None, return_url: None }
    }

    fn refund(amount: u64) -> IntentCommand {
        IntentCommand::Refund {
            id: "pi_1".to_owned(),
            amount: Some(amount),
            metadata: Metadata::new(),
        }
    }

    /// A response that identifies the result.
    fn render(result: &Result<ProviderObject, ProviderError>) -> StoredResponse {
        match result {
            Ok(ProviderObject::Intent(intent)) => {
                StoredResponse { status: 200, body: format!("{:?}", intent.state) }
            }
            Ok(ProviderObject::Refund(refund)) => {
                StoredResponse { status: 200, body: refund.id.clone() }
            }
            Ok(ProviderObject::Dispute(dispute)) => {
                StoredResponse { status: 200, body: dispute.id.clone() }
            }
            Err(error) => StoredResponse { status: 400, body: error.to_string() },
        }
    }

    async fn send(
        store: &MemoryIntents,
        command: IntentCommand,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<SimulatorResponse, SimulateError> {
        let request_hash = format!("{command:?}");
        let request = IdempotentRequest { command, idempotency_key: key, request_hash };
        simulate_provider(store, &request, render, now).await
    }

    async fn store_with(method: TestPaymentMethod) -> MemoryIntents {
        let store = MemoryIntents::default();
        send(&store, create(method), None, NOW).await.unwrap();
        store
    }

    #[tokio::test]
    async fn the_first_response_for_a_key_is_replayed() {
        let store = store_with(TestPaymentMethod::Visa).await;
        let first = send(&store, confirm(), Some("k"), NOW).await.unwrap();
        let again = send(&store, confirm(), Some("k"), NOW).await.unwrap();
        assert_eq!((first.replayed, again.replayed), (false, true));
        assert_eq!(again.response, first.response);
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().version, 2);
        // Without a key, a second confirmation is an error.
        assert_eq!(send(&store, confirm(), None, NOW).await.unwrap().response.status, 400);
    }

    #[tokio::test]
    async fn a_stored_failure_is_replayed_although_the_charge_succeeded() {
        let store = store_with(TestPaymentMethod::Lost).await;
        for replayed in [false, true] {
            let simulated = send(&store, confirm(), Some("k"), NOW).await.unwrap();
            assert_eq!(
                (simulated.response.body.as_str(), simulated.replayed),
                ("response lost", replayed)
            );
        }
        assert_eq!(
            store.intent("pi_1").await.unwrap().unwrap().state,
            PaymentIntentState::Succeeded
        );
    }

    #[tokio::test]
    async fn transient_failures_are_not_stored() {
        let store = store_with(TestPaymentMethod::Flaky).await;
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(match send(&store, confirm(), Some("k"), NOW).await {
                Ok(simulated) => simulated.response.body,
                Err(error) => error.to_string(),
            });
        }
        let expected =
            ["too many requests", "connection reset", "overloaded", "Succeeded", "Succeeded"];
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn a_key_belongs_to_one_request() {
        let store = store_with(TestPaymentMethod::Visa).await;
        send(&store, confirm(), Some("k"), NOW).await.unwrap();
        let other = send(&store, refund(1), Some("k"), NOW).await;
        assert!(matches!(other, Err(SimulateError::KeyReused)));
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().refunded(), 0);
    }

    #[tokio::test]
    async fn an_expired_key_executes_the_command_again() {
        let store = store_with(TestPaymentMethod::Visa).await;
        send(&store, confirm(), None, NOW).await.unwrap();
        let first = send(&store, refund(400), Some("k"), NOW).await.unwrap();
        let later = NOW.plus(RETENTION);
        let second = send(&store, refund(400), Some("k"), later).await.unwrap();
        assert!(!second.replayed);
        assert_ne!(first.response, second.response);
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().refunded(), 800);
        assert!(send(&store, refund(400), Some("k"), later).await.unwrap().replayed);
    }
}
