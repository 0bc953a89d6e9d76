//! What the simulator tells by itself: its table's stream brings the charges that are processing; each succeeds, and
//! whoever listens is told.

use super::simulate_provider::answer;
use crate::{
    adapters::{dynamodb::DynamoIntents, listener::HttpListener},
    application::settle_charge::settle_charge,
    ports::{Intents, WebhookSender},
};
use rialto_kernel::{
    Clock, SystemClock, Timestamp,
    settings::{WEBHOOK_SECRET, WEBHOOK_URL},
    signature,
};
use rialto_lambda::{
    FunctionContext,
    boot::{self, Failure},
};
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, OnceLock};

/// Every event is told so often: the provider promises at least once.
const TIMES: usize = 2;

pub fn main() {
    boot::run("platform-simulate-webhooks", build);
}

/// As much of the stream's records as tells which intents they are about.
#[derive(Debug, Deserialize)]
struct StreamEvent {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: IntentChange,
}

#[derive(Debug, Deserialize)]
struct IntentChange {
    #[serde(rename = "Keys")]
    keys: Keys,
}

#[derive(Debug, Deserialize)]
struct Keys {
    pk: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

fn build(app: &FunctionContext) -> boot::Handler {
    let (store, settings) = (DynamoIntents::open(app), Arc::clone(&app.settings));
    settings.prefetch(&[WEBHOOK_URL.name, WEBHOOK_SECRET.name]);
    let connector = Arc::new(OnceLock::new());
    Arc::new(move |payload, _| {
        let (store, settings, connector) =
            (store.clone(), Arc::clone(&settings), Arc::clone(&connector));
        Box::pin(async move {
            let stream = StreamEvent::deserialize(payload)?;
            let url = settings.get(&WEBHOOK_URL).await?;
            let secret = settings.get(&WEBHOOK_SECRET).await?;
            let listener = (!url.is_empty()).then_some(HttpListener { url, connector });
            let mut told = 0;
            for record in &stream.records {
                let key = &record.dynamodb.keys.pk.text;
                let Some(intent) = key.strip_prefix("INTENT#") else { continue };
                told +=
                    settle(&store, listener.as_ref(), &secret, intent, SystemClock.now()).await?;
            }
            Ok(json!({ "told": told }))
        })
    })
}

/// Has a charge succeed and tells of it; how often it was told. After a failure the stream brings it again.
async fn settle(
    store: &impl Intents,
    listener: Option<&impl WebhookSender>,
    secret: &str,
    id: &str,
    now: Timestamp,
) -> Result<usize, Failure> {
    let Some(intent) = settle_charge(store, id).await? else { return Ok(0) };
    let Some(listener) = listener else {
        tracing::warn!(
            setting = WEBHOOK_URL.name,
            "a charge succeeded, and there is nobody to tell"
        );
        return Ok(0);
    };
    let body = answer::succeeded(&intent);
    for _ in 0..TIMES {
        listener.deliver(&body, &signature::sign(secret, body.as_bytes(), now)).await?;
    }
    Ok(TIMES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryIntents, MemoryListener},
        domain::{
            intent::{Intent, Metadata, NewIntent, Request, State},
            method::TestPaymentMethod,
        },
    };
    use rialto_kernel::Write;
    use serde_json::Value;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const SECRET: &str = "whsec_test";

    async fn store(steps: &[Request]) -> MemoryIntents {
        let store = MemoryIntents::default();
        let new = NewIntent {
            id: "pi_1".to_owned(),
            amount: 1_000,
            currency: "eur".to_owned(),
            metadata: Metadata::from([("order_id".to_owned(), "ord_1".to_owned())]),
            method: Some(TestPaymentMethod::Async),
            confirm: true,
        };
        let mut intent: Option<Intent> = None;
        for step in std::iter::once(&Request::Create(new)).chain(steps) {
            let next = step.decide(intent.as_ref(), NOW).intent.unwrap();
            assert_eq!(store.write(Some(&next), None).await.unwrap(), Write::Done);
            intent = Some(next);
        }
        store
    }

    async fn state(store: &MemoryIntents) -> State {
        store.intent("pi_1").await.unwrap().unwrap().state
    }

    #[tokio::test]
    async fn what_is_processing_succeeds_and_is_told_twice_under_a_good_signature() {
        let (store, listener) = (store(&[]).await, MemoryListener::default());
        assert_eq!(settle(&store, Some(&listener), SECRET, "pi_1", NOW).await.unwrap(), 2);
        assert_eq!(state(&store).await, State::Succeeded);
        let heard = listener.heard();
        assert_eq!((heard.len(), &heard[0].0), (2, &heard[1].0));
        for (body, header) in &heard {
            assert_eq!(signature::verify(SECRET, header, body.as_bytes(), NOW), Ok(()));
            let event: Value = serde_json::from_str(body).unwrap();
            assert_eq!(event["type"], "payment_intent.succeeded");
            let object = &event["data"]["object"];
            assert_eq!((&object["id"], &object["status"]), (&json!("pi_1"), &json!("succeeded")));
            assert_eq!(object["metadata"]["order_id"], "ord_1");
        }
    }

    #[tokio::test]
    async fn what_was_not_taken_is_told_again() {
        let (store, listener) = (store(&[]).await, MemoryListener::default());
        listener.refuse(1);
        assert!(settle(&store, Some(&listener), SECRET, "pi_1", NOW).await.is_err());
        assert_eq!(settle(&store, Some(&listener), SECRET, "pi_1", NOW).await.unwrap(), 2);
        assert_eq!(listener.heard().len(), 2);
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().version, 2);
    }

    #[tokio::test]
    async fn what_was_cancelled_before_is_not_told() {
        let cancelled = [Request::Cancel { id: "pi_1".to_owned() }];
        let (store, listener) = (store(&cancelled).await, MemoryListener::default());
        assert_eq!(settle(&store, Some(&listener), SECRET, "pi_1", NOW).await.unwrap(), 0);
        assert_eq!(settle(&store, Some(&listener), SECRET, "pi_2", NOW).await.unwrap(), 0);
        assert_eq!((state(&store).await, listener.heard().len()), (State::Canceled, 0));
    }

    #[tokio::test]
    async fn without_a_listener_it_succeeds_all_the_same() {
        let store = store(&[]).await;
        assert_eq!(settle(&store, None::<&MemoryListener>, SECRET, "pi_1", NOW).await.unwrap(), 0);
        assert_eq!(state(&store).await, State::Succeeded);
    }

    #[test]
    fn a_record_names_its_intent() {
        let record = json!({"Records": [{"dynamodb": {"Keys": {"pk": {"S": "INTENT#pi_1"}, "sk": {"S": "INTENT"}}}}]});
        let stream = StreamEvent::deserialize(record).unwrap();
        assert_eq!(stream.records[0].dynamodb.keys.pk.text, "INTENT#pi_1");
    }
}
