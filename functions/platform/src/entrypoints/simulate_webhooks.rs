//! The simulator's webhooks: a consumer of its table's stream lets processing charges succeed, and
//! reports each of them, each change that has an event and each dispute by a webhook.

use super::simulate_provider::responses;
use crate::{
    adapters::{dynamodb::DynamoIntents, webhook_sender::HttpWebhookSender},
    application::settle_charge::settle_charge,
    domain::intent::IntentEvent,
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
    #[serde(rename = "NewImage", default)]
    new_image: NewImage,
}

#[derive(Debug, Default, Deserialize)]
struct NewImage {
    event: Option<EventName>,
}

#[derive(Debug, Deserialize)]
struct EventName {
    #[serde(rename = "S")]
    event: IntentEvent,
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
                let event = record.dynamodb.new_image.event.as_ref().map(|name| name.event);
                let (sender, now) = (sender.as_ref(), clock.now());
                delivered += report(&store, sender, &secret, intent, event, now).await?;
            }
            Ok(json!({ "delivered": delivered }))
        })
    })
}

/// Delivers the webhooks of a change, which settles a charge without an event; returns their
/// number. After an error the stream redelivers the record.
async fn report(
    store: &impl IntentStore,
    sender: Option<&impl WebhookSender>,
    secret: &str,
    id: &str,
    event: Option<IntentEvent>,
    now: Timestamp,
) -> Result<usize, Failure> {
    let intent = match event {
        Some(_) => store.intent(id).await?,
        None => settle_charge(store, id).await?,
    };
    let Some(intent) = intent else { return Ok(0) };
    let Some(sender) = sender else {
        tracing::warn!(setting = WEBHOOK_URL.name, "charge changed; no webhook URL configured");
        return Ok(0);
    };
    let disputed = intent.dispute.as_ref().map(responses::disputed);
    let changed = responses::event(&intent, event.unwrap_or(IntentEvent::Succeeded));
    let bodies = [Some(changed), disputed];
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
            action::BuyerAction,
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
        assert_eq!(report(&store, Some(&sender), SECRET, "pi_1", None, NOW).await.unwrap(), 2);
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
    async fn the_event_of_a_change_is_reported_whatever_followed() {
        let refund =
            IntentCommand::Refund { id: "pi_1".to_owned(), amount: None, metadata: [].into() };
        let new = NewPaymentIntent {
            method: Some(TestPaymentMethod::ThreeDSecure),
            confirm: true,
            ..NewPaymentIntent::new("pi_1", 1_000, "eur")
        };
        let (store, sender) = (MemoryIntents::default(), MemoryWebhookSender::default());
        let act = IntentCommand::Act { id: "pi_1".to_owned(), action: BuyerAction::Accept };
        let mut intent: Option<PaymentIntent> = None;
        for (step, event) in [
            (IntentCommand::Create(new), Some("requires_action")),
            (act, Some("succeeded")),
            (refund, None),
        ] {
            let next = step.decide(intent.as_ref(), NOW).intent.unwrap();
            assert_eq!(next.event.map(IntentEvent::as_str), event);
            assert_eq!(store.write(Some(&next), None).await.unwrap(), Write::Done);
            intent = Some(next);
        }
        for event in [IntentEvent::RequiresAction, IntentEvent::Succeeded] {
            let sent = report(&store, Some(&sender), SECRET, "pi_1", Some(event), NOW);
            assert_eq!(sent.await.unwrap(), 2);
        }
        let kinds = sender.deliveries().into_iter().map(|(body, _)| {
            serde_json::from_str::<Value>(&body).unwrap()["type"].as_str().unwrap().to_owned()
        });
        let (action, success) = ("payment_intent.requires_action", "payment_intent.succeeded");
        assert_eq!(kinds.collect::<Vec<_>>(), [action, action, success, success]);
    }

    #[tokio::test]
    async fn failed_deliveries_are_repeated() {
        let (store, sender) = (store(&[]).await, MemoryWebhookSender::default());
        sender.fail_next(1);
        assert!(report(&store, Some(&sender), SECRET, "pi_1", None, NOW).await.is_err());
        assert_eq!(report(&store, Some(&sender), SECRET, "pi_1", None, NOW).await.unwrap(), 2);
        assert_eq!(sender.deliveries().len(), 2);
        assert_eq!(store.intent("pi_1").await.unwrap().unwrap().version, 2);
    }

    #[tokio::test]
    async fn cancelled_charges_are_not_reported() {
        let cancelled = [IntentCommand::Cancel { id: "pi_1".to_owned() }];
        let (store, sender) = (store(&cancelled).await, MemoryWebhookSender::default());
        assert_eq!(report(&store, Some(&sender), SECRET, "pi_1", None, NOW).await.unwrap(), 0);
        assert_eq!(report(&store, Some(&sender), SECRET, "pi_2", None, NOW).await.unwrap(), 0);
        assert_eq!(
            (state(&store).await, sender.deliveries().len()),
            (PaymentIntentState::Canceled, 0)
        );
    }

    #[tokio::test]
    async fn charges_are_settled_without_a_webhook_url() {
        let store = store(&[]).await;
        assert_eq!(
            report(&store, None::<&MemoryWebhookSender>, SECRET, "pi_1", None, NOW).await.unwrap(),
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
        assert_eq!(report(&store, Some(&sender), SECRET, "pi_1", None, NOW).await.unwrap(), 4);
        let close =
            IntentCommand::CloseDispute { id: intent.id.clone(), status: DisputeStatus::Lost };
        let closed = close.decide(Some(&intent), NOW).intent.unwrap();
        assert_eq!(store.write(Some(&closed), None).await.unwrap(), Write::Done);
        assert_eq!(report(&store, Some(&sender), SECRET, "pi_1", None, NOW).await.unwrap(), 4);
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
        assert!(stream.records[0].dynamodb.new_image.event.is_none());
    }

    #[test]
    fn a_stream_record_names_its_event() {
        let image = json!({"event": {"S": "payment_failed"}, "version": {"N": "3"}});
        let record = json!({"Keys": {"pk": {"S": "INTENT#pi_1"}}, "NewImage": image});
        let stream = StreamEvent::deserialize(json!({"Records": [{"dynamodb": record}]})).unwrap();
        let event = stream.records[0].dynamodb.new_image.event.as_ref();
        assert_eq!(event.unwrap().event, IntentEvent::PaymentFailed);
    }
}
