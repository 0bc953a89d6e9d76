use crate::{
    domain::{
        intent::{Object, ProviderError, Request},
        saved::{IdempotencyRecord, StoredResponse},
    },
    ports::Intents,
};
use rialto_kernel::{StoreError, Timestamp, Write, digest};

/// What is to be done, and the key that it is to be done once under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest<'a> {
    pub request: Request,
    pub idempotency_key: Option<&'a str>,
    /// H(path and body).
    pub request_hash: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorResponse {
    pub answer: StoredResponse,
    pub replayed: bool,
    /// Whether the answer takes its time.
    pub slow: bool,
}

/// Why nothing is answered, or not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("the key belongs to another request")]
    KeyReused,
    #[error("the connection is reset")]
    Reset,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a request that collides with others is tried.
const MAX_ATTEMPTS: u32 = 5;

/// Does what is asked, once for each key: the first answer is kept and given again, until it is forgotten. `write`
/// writes an answer as the client will see it.
///
/// # Errors
/// [`SimulateError`]; only after [`SimulateError::Store`] isn't it known whether something happened.
pub async fn simulate_provider(
    store: &impl Intents,
    keyed: &IdempotentRequest<'_>,
    write: impl Fn(&Result<Object, ProviderError>) -> StoredResponse,
    now: Timestamp,
) -> Result<SimulatorResponse, SimulateError> {
    let key = keyed.idempotency_key.map(|key| digest::hex(&digest::sha256(&[key.as_bytes()])));
    for _ in 0..MAX_ATTEMPTS {
        let (intent, saved) = store.load(keyed.request.intent(), key.as_deref()).await?;
        if let Some(saved) = saved.as_ref().filter(|saved| !saved.is_forgotten(now)) {
            if saved.request_hash != keyed.request_hash {
                return Err(SimulateError::KeyReused);
            }
            return Ok(SimulatorResponse {
                answer: saved.answer.clone(),
                replayed: true,
                slow: false,
            });
        }
        let step = keyed.request.decide(intent.as_ref(), now);
        let answer = write(&step.result);
        let kept = key
            .clone()
            .filter(|_| step.result.as_ref().err().is_none_or(ProviderError::is_persisted));
        let saved = kept.map(|key| IdempotencyRecord {
            key,
            request_hash: keyed.request_hash.clone(),
            answer: answer.clone(),
            saved_at: now,
            version: saved.map_or(1, |saved| saved.version + 1),
        });
        if store.write(step.intent.as_ref(), saved.as_ref()).await? == Write::Done {
            return match step.result {
                Err(ProviderError::Reset) => Err(SimulateError::Reset),
                _ => Ok(SimulatorResponse { answer, replayed: false, slow: step.slow }),
            };
        }
    }
    Ok(SimulatorResponse {
        answer: write(&Err(ProviderError::Locked)),
        replayed: false,
        slow: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryIntents,
        domain::{
            intent::{Metadata, NewIntent, State},
            method::TestPaymentMethod,
            saved::RETENTION,
        },
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn create(method: TestPaymentMethod) -> Request {
        Request::Create(NewIntent {
            id: "pi_1".to_owned(),
            amount: 1_000,
            currency: "eur".to_owned(),
            metadata: Metadata::new(),
            method: Some(method),
            confirm: false,
        })
    }

    fn confirm() -> Request {
        Request::Confirm { id: "pi_1".to_owned(), method: None }
    }

    fn refund(amount: u64) -> Request {
        Request::Refund { id: "pi_1".to_owned(), amount: Some(amount), metadata: Metadata::new() }
    }

    /// An answer that tells one step from another.
    fn write(result: &Result<Object, ProviderError>) -> StoredResponse {
        match result {
            Ok(Object::Intent(intent)) => {
                StoredResponse { status: 200, body: format!("{:?}", intent.state) }
            }
            Ok(Object::Refund(refund)) => StoredResponse { status: 200, body: refund.id.clone() },
            Err(refusal) => StoredResponse { status: 400, body: refusal.to_string() },
        }
    }

    async fn send(
        store: &MemoryIntents,
        request: Request,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<SimulatorResponse, SimulateError> {
        let request_hash = format!("{request:?}");
        let keyed = IdempotentRequest { request, idempotency_key: key, request_hash };
        simulate_provider(store, &keyed, write, now).await
    }

    async fn with(method: TestPaymentMethod) -> MemoryIntents {
        let store = MemoryIntents::default();
        send(&store, create(method), None, NOW).await.unwrap();
        store
    }

    #[tokio::test]
    async fn the_first_answer_of_a_key_is_given_again() {
        let store = with(TestPaymentMethod::Visa).await;
        let first = send(&store, confirm(), Some("k"), NOW).await.unwrap();
        let again = send(&store, confirm(), Some("k"), NOW).await.unwrap();
        assert_eq!((first.replayed, again.replayed), (false, true));
        assert_eq!(again.answer, first.answer);
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().version, 2);
        // Without a key the provider says what it thinks of a second confirmation.
        assert_eq!(send(&store, confirm(), None, NOW).await.unwrap().answer.status, 400);
    }

    #[tokio::test]
    async fn a_saved_failure_is_given_again_though_the_charge_was_made() {
        let store = with(TestPaymentMethod::Lost).await;
        for replayed in [false, true] {
            let answered = send(&store, confirm(), Some("k"), NOW).await.unwrap();
            assert_eq!(
                (answered.answer.body.as_str(), answered.replayed),
                ("the answer is lost", replayed)
            );
        }
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().state, State::Succeeded);
    }

    #[tokio::test]
    async fn what_failed_before_anything_happened_is_not_kept() {
        let store = with(TestPaymentMethod::Flaky).await;
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(match send(&store, confirm(), Some("k"), NOW).await {
                Ok(answered) => answered.answer.body,
                Err(error) => error.to_string(),
            });
        }
        let expected = [
            "too many requests",
            "the connection is reset",
            "overloaded",
            "Succeeded",
            "Succeeded",
        ];
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn a_key_belongs_to_one_request() {
        let store = with(TestPaymentMethod::Visa).await;
        send(&store, confirm(), Some("k"), NOW).await.unwrap();
        let other = send(&store, refund(1), Some("k"), NOW).await;
        assert!(matches!(other, Err(SimulateError::KeyReused)));
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().refunded(), 0);
    }

    #[tokio::test]
    async fn a_forgotten_key_does_it_again() {
        let store = with(TestPaymentMethod::Visa).await;
        send(&store, confirm(), None, NOW).await.unwrap();
        let first = send(&store, refund(400), Some("k"), NOW).await.unwrap();
        let later = NOW.plus(RETENTION);
        let second = send(&store, refund(400), Some("k"), later).await.unwrap();
        assert!(!second.replayed);
        assert_ne!(first.answer, second.answer);
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().refunded(), 800);
        assert!(send(&store, refund(400), Some("k"), later).await.unwrap().replayed);
    }
}
