//! Publishing on the bus, with a dead-letter queue for events that the bus rejects.

use crate::{
    bus::{BusError, EventBus, batches},
    detail,
};
use aws_sdk_sqs::error::DisplayErrorContext;
use rialto_aws::SdkConfig;
use rialto_contracts::Event;
use rialto_lambda::FunctionContext;
use std::time::Duration;

/// The attempts for an event before it is dead-lettered, with pauses of 0.7 seconds in total: a
/// throttled bus has recovered by then, and the records behind it don't wait for long.
const MAX_ATTEMPTS: u32 = 4;

/// Neither published nor dead-lettered: the stream delivers the records again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("the dead-letter queue can't be reached: {0}")]
    DeadLetters(String),
}

pub(crate) struct Publisher {
    bus: EventBus,
    aws: SdkConfig,
    dead_letters: String,
}

impl Publisher {
    pub(crate) fn from_environment(app: &FunctionContext) -> Self {
        Self {
            bus: EventBus::open(&app.aws, &app.stage),
            aws: app.aws.clone(),
            dead_letters: std::env::var("OUTBOX_DEAD_LETTERS").unwrap_or_default(),
        }
    }

    pub(crate) async fn publish(&self, events: Vec<Event>) -> Result<(), PublishError> {
        for batch in batches(events) {
            self.publish_batch(batch).await?;
        }
        Ok(())
    }

    /// Sends a batch, retries the rejected events, and dead-letters those that stay rejected.
    async fn publish_batch(&self, mut remaining: Vec<Event>) -> Result<(), PublishError> {
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
            }
            let rejected = self.bus.send(remaining).await?;
            if rejected.is_empty() {
                return Ok(());
            }
            for rejected in &rejected {
                let (event, code) = (&rejected.event, &rejected.code);
                tracing::warn!(event = %event.id, kind = event.kind, code, "the bus rejected an event");
            }
            remaining = rejected.into_iter().map(|rejected| rejected.event).collect();
        }
        let bodies: Vec<String> = remaining.iter().map(detail).collect();
        self.dead_letter(&bodies).await
    }

    pub(crate) async fn dead_letter(&self, bodies: &[String]) -> Result<(), PublishError> {
        if bodies.is_empty() {
            return Ok(());
        }
        // Created on demand: it is rarely needed and would be a third of the relay's cold start.
        let queues = aws_sdk_sqs::Client::new(&self.aws);
        for body in bodies {
            tracing::error!("event moved to the outbox's dead-letter queue");
            let request = queues.send_message().queue_url(&self.dead_letters).message_body(body);
            let sent = request.send().await;
            sent.map_err(|error| {
                PublishError::DeadLetters(DisplayErrorContext(error).to_string())
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_aws::{Stage, emulator_config};
    use rialto_contracts::{EventContext, accounts::UserRegistered};
    use rialto_kernel::{Timestamp, UserId};
    use rialto_testkit::http::{StubResponse, serve};
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    fn event(number: u64) -> Event {
        let payload = UserRegistered { user_id: UserId::derive(&[b"u"]) };
        Event::new(&payload, number, 0, Timestamp::from_millis(1), &EventContext::default())
    }

    /// A publisher whose bus returns `results`, one per request; and the ids of the events in each
    /// request to the bus or the dead-letter queue.
    fn publisher(results: &[Value]) -> (Publisher, Arc<Mutex<Vec<Vec<String>>>>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, results) = (Arc::clone(&requests), results.to_vec());
        let url = serve(move |request| {
            let mut seen = seen.lock().unwrap();
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let id = |text: &Value| {
                serde_json::from_str::<Event>(text.as_str().unwrap()).unwrap().id.to_string()
            };
            let response = match body["Entries"].as_array() {
                Some(entries) => {
                    let response = results[seen.len()].to_string();
                    seen.push(entries.iter().map(|entry| id(&entry["Detail"])).collect());
                    response
                }
                None => {
                    seen.push(vec![format!("dead letter {}", id(&body["MessageBody"]))]);
                    r#"{"MessageId":"m","MD5OfMessageBody":""}"#.to_owned()
                }
            };
            Some(StubResponse::new(200, response))
        });
        let aws = emulator_config(&url);
        let bus = EventBus::open(&aws, &Stage::parse("test").unwrap());
        (Publisher { bus, aws, dead_letters: format!("{url}/q") }, requests)
    }

    fn accepted() -> Value {
        json!({"EventId": "e"})
    }

    fn rejected() -> Value {
        json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "too much"})
    }

    #[tokio::test]
    async fn only_rejected_events_are_sent_again() {
        let results = [
            json!({"FailedEntryCount": 1, "Entries": [accepted(), rejected()]}),
            json!({"FailedEntryCount": 0, "Entries": [accepted()]}),
        ];
        let (publisher, requests) = publisher(&results);
        let (first, second) = (event(1), event(2));
        let ids = [first.id.to_string(), second.id.to_string()];
        publisher.publish(vec![first, second]).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), [ids.to_vec(), ids[1..].to_vec()]);
    }

    #[tokio::test]
    async fn events_that_stay_rejected_are_dead_lettered() {
        let results =
            vec![json!({"FailedEntryCount": 1, "Entries": [rejected()]}); MAX_ATTEMPTS as usize];
        let (publisher, requests) = publisher(&results);
        let event = event(1);
        let id = event.id.to_string();
        publisher.publish(vec![event]).await.unwrap();
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), MAX_ATTEMPTS as usize + 1);
        assert_eq!(requests.last(), Some(&vec![format!("dead letter {id}")]));
    }

    #[tokio::test]
    async fn events_without_a_result_are_sent_again() {
        let results = [
            json!({"FailedEntryCount": 0, "Entries": [accepted()]}),
            json!({}),
            json!({"FailedEntryCount": 0, "Entries": [accepted()]}),
        ];
        let (publisher, requests) = publisher(&results);
        let (first, second) = (event(1), event(2));
        let ids = [first.id.to_string(), second.id.to_string()];
        publisher.publish(vec![first, second]).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), [ids.to_vec(), ids[1..].to_vec(), ids[1..].to_vec()]);
    }
}
