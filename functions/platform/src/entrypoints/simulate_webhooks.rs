//! The simulator's webhooks: a consumer of its table's stream lets processing charges succeed and
//! reports each by a webhook, as it does each dispute.

use super::simulate_provider::responses;
use crate::{
    adapters::{dynamodb::DynamoIntents, webhook_sender::HttpWebhookSender},
    application::settle_charge::settle_charge,
    ports::{IntentStore, WebhookSender},
};
use rialto_kernel::{
    Timestamp,
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

/// The number of deliveries of each event, because the provider guarantees delivery at least once.
const DELIVERIES: usize = 2;

pub fn main() {
    boot::run("platform-simulate-webhooks", build);
}

/// The parts of a stream event that name the changed items.
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
    let store = DynamoIntents::open(app);
    let (settings, clock) = (Arc::clone(&app.settings), Arc::clone(&app.clock));
    settings.prefetch(&[WEBHOOK_URL.name, WEBHOOK_SECRET.name]);
    let connector = Arc::new(OnceLock::new());
    Arc::new(move |payload, _| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        let (clock, connector) = (Arc::clone(&clock), Arc::clone(&connector));
        Box::pin(async move {
            let stream = StreamEvent::deserialize(payload)?;
            let url = settings.get(&WEBHOOK_URL).await?;
            let secret = settings.get(&WEBHOOK_SECRET).await?;
            let sender = (!url.is_empty()).then_some(HttpWebhookSender { url, connector });
            let mut delivered = 0;
            for record in &stream.records {
                let key = &record.dynamodb.keys.pk.text;
                let Some(intent) = key.strip_prefix("INTENT#") else { continue };
                delivered += settle(&store, sender.as_ref(), &secret, intent, clock.now()).await?;
            }
            Ok(json!({ "delivered": delivered }))
        })
    })
}

/// Settles a charge and delivers its webhooks; returns their number. After an error the stream
/// redelivers the record.
async fn settle(
    store: &impl IntentStore,
    sender: Option<&impl WebhookSender>,
    secret: &str,
    id: &str,
    now: Timestamp,
) -> Result<usize, Failure> {
    let Some(intent) = settle_charge(store, id).await? else { return Ok(0) };
    let Some(sender) = sender else {
        tracing::warn!(setting = WEBHOOK_URL.name, "charge succeeded; no webhook URL configured");
        return Ok(0);
    };
    let disputed = intent.dispute.as_ref().map(responses::disputed);
    let bodies = [Some(responses::succeeded(&intent)), disputed];
    let mut delivered = 0;
    for body in bodies.iter().flatten() {
        for _ in 0..DELIVERIES {
            sender.deliver(body, &signature::sign(secret, body.as_bytes(), now)).await?;
            delivered += 1;
        }
    }
    Ok(delivered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryIntents, MemoryWebhookSender},
        domain::{
            dispute::DisputeStatus,
            intent::{
                IntentCommand, Metadata, NewPaymentIntent, PaymentIntent, PaymentIntentState,
            },
            method::TestPaymentMethod,
        },
    };
    use rialto_kernel::Write;
    use serde_json::Value;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const SECRET: &str = "whsec_test";

    async fn store(steps: &[IntentCommand]) -> MemoryIntents {
        let store = MemoryIntents::default();
        let new = NewPaymentIntent {
            metadata: Metadata::from([("order_id".to_owned(), "ord_1".to_owned())]),
            method: Some(TestPaymentMethod::Async),
            confirm: true,
            ..NewPaymentIntent::new("pi_1", 1_000, "eur")
        };
        let mut intent: Option<PaymentIntent> = None;
        for step in std::iter::once(&IntentCommand::Create(new)).chain(steps) {
            let next = step.decide(intent.as_ref(), NOW).intent.unwrap();
            assert_eq!(store.write(Some(&next), None).await.unwrap(), Write::Done);
            intent = Some(next);
        }
        store
    }

    async fn state(store: &MemoryIntents) -> PaymentIntentState {
        store.intent("pi_1").await.unwrap().unwrap().state
    }

    #[tokio::test]
    async fn a_settled_charge_is_reported_by_two_signed_webhooks() {
        let (store, sender) = (store(&[]).await, MemoryWebhookSender::default());
        assert_eq!(settle(&store, Some(&sender), SECRET, "pi_1", NOW).await.unwrap(), 2);
        assert_eq!(state(&store).await, PaymentIntentState::Succeeded);
        let deliveries = sender.deliveries();
        assert_eq!((deliveries.len(), &deliveries[0].0), (2, &deliveries[1].0));
        for (body, header) in &deliveries {
            assert_eq!(signature::verify(SECRET, header, body.as_bytes(), NOW), Ok(()));
            let event: Value = serde_json::from_str(body).unwrap();
            assert_eq!(event["type"], "payment_intent.succeeded");
            let object = &event["data"]["object"];
            assert_eq!((&object["id"], &object["status"]), (&json!("pi_1"), &json!("succeeded")));
            assert_eq!(object["metadata"]["order_id"], "ord_1");
        }
    }

    #[tokio::test]
    async fn failed_deliveries_are_repeated() {
        let (store, sender) = (store(&[]).await, MemoryWebhookSender::default());
        sender.fail_next(1);
        assert!(settle(&store, Some(&sender), SECRET, "pi_1", NOW).await.is_err());
        assert_eq!(settle(&store, Some(&sender), SECRET, "pi_1", NOW).await.unwrap(), 2);
        assert_eq!(sender.deliveries().len(), 2);
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().version, 2);
    }

    #[tokio::test]
    async fn cancelled_charges_are_not_reported() {
        let cancelled = [IntentCommand::Cancel { id: "pi_1".to_owned() }];
        let (store, sender) = (store(&cancelled).await, MemoryWebhookSender::default());
        assert_eq!(settle(&store, Some(&sender), SECRET, "pi_1", NOW).await.unwrap(), 0);
        assert_eq!(settle(&store, Some(&sender), SECRET, "pi_2", NOW).await.unwrap(), 0);
        assert_eq!(
            (state(&store).await, sender.deliveries().len()),
            (PaymentIntentState::Canceled, 0)
        );
    }

    #[tokio::test]
    async fn charges_are_settled_without_a_webhook_url() {
        let store = store(&[]).await;
        assert_eq!(
            settle(&store, None::<&MemoryWebhookSender>, SECRET, "pi_1", NOW).await.unwrap(),
            0
        );
        assert_eq!(state(&store).await, PaymentIntentState::Succeeded);
    }

    #[tokio::test]
    async fn a_dispute_is_reported_when_it_is_opened_and_closed() {
        let store = MemoryIntents::default();
        let new = NewPaymentIntent {
            method: Some(TestPaymentMethod::Dispute),
            confirm: true,
            ..NewPaymentIntent::new("pi_1", 1_000, "eur")
        };
        let intent = IntentCommand::Create(new).decide(None, NOW).intent.unwrap();
        assert_eq!(store.write(Some(&intent), None).await.unwrap(), Write::Done);
        let sender = MemoryWebhookSender::default();
        assert_eq!(settle(&store, Some(&sender), SECRET, "pi_1", NOW).await.unwrap(), 4);
        let close =
            IntentCommand::CloseDispute { id: intent.id.clone(), status: DisputeStatus::Lost };
        let closed = close.decide(Some(&intent), NOW).intent.unwrap();
        assert_eq!(store.write(Some(&closed), None).await.unwrap(), Write::Done);
        assert_eq!(settle(&store, Some(&sender), SECRET, "pi_1", NOW).await.unwrap(), 4);
        let events = sender.deliveries().into_iter().map(|(body, _)| {
            let event: Value = serde_json::from_str(&body).unwrap();
            let object = &event["data"]["object"];
            let status = object["status"].as_str().unwrap().to_owned();
            (event["type"].as_str().unwrap().to_owned(), status)
        });
        let events: std::collections::BTreeSet<_> = events.collect();
        let expected = [
            ("charge.dispute.closed", "lost"),
            ("charge.dispute.created", "needs_response"),
            ("payment_intent.succeeded", "succeeded"),
        ];
        let expected = expected.map(|(kind, status)| (kind.to_owned(), status.to_owned()));
        assert_eq!(events.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_stream_record_names_its_payment_intent() {
        let record = json!({"Records": [{"dynamodb": {"Keys": {"pk": {"S": "INTENT#pi_1"}, "sk": {"S": "INTENT"}}}}]});
        let stream = StreamEvent::deserialize(record).unwrap();
        assert_eq!(stream.records[0].dynamodb.keys.pk.text, "INTENT#pi_1");
    }
}
