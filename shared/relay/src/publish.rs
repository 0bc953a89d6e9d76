//! To the bus, and what it refuses to the dead-letter queue.

use crate::{
    bus::{BusError, EventBus, batches},
    detail,
};
use aws_sdk_sqs::error::DisplayErrorContext;
use rialto_aws::SdkConfig;
use rialto_contracts::Event;
use rialto_lambda::FunctionContext;
use std::time::Duration;

/// How often entries that the bus refuses are sent before they are put aside.
const MAX_ATTEMPTS: u32 = 4;

/// Neither published nor put aside: the stream has to bring it again.
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

    /// Sends a batch, then again only what the bus refused of it, then puts the rest aside.
    async fn publish_batch(&self, mut left: Vec<Event>) -> Result<(), PublishError> {
        for tries in 0..MAX_ATTEMPTS {
            if tries > 0 {
                tokio::time::sleep(Duration::from_millis(50 << tries)).await;
            }
            let refused = self.bus.send(left).await?;
            if refused.is_empty() {
                return Ok(());
            }
            for refused in &refused {
                let (event, code) = (&refused.event, &refused.code);
                tracing::warn!(event = %event.id, kind = event.kind, code, "the bus refused an event");
            }
            left = refused.into_iter().map(|refused| refused.event).collect();
        }
        let whole: Vec<String> = left.iter().map(detail).collect();
        self.dead_letter(&whole).await
    }

    pub(crate) async fn dead_letter(&self, bodies: &[String]) -> Result<(), PublishError> {
        if bodies.is_empty() {
            return Ok(());
        }
        // Made only now, because it is seldom needed and would be a third of the relay's start.
        let queues = aws_sdk_sqs::Client::new(&self.aws);
        for body in bodies {
            tracing::error!("an event is put aside in the outbox's dead-letter queue");
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

    /// A publisher whose bus answers so, one answer a request; and what it sent and put aside: the events' ids, request by
    /// request.
    fn publisher(results: &[Value]) -> (Publisher, Arc<Mutex<Vec<Vec<String>>>>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, results) = (Arc::clone(&requests), results.to_vec());
        let url = serve(move |asked| {
            let mut seen = seen.lock().unwrap();
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let id = |text: &Value| {
                serde_json::from_str::<Event>(text.as_str().unwrap()).unwrap().id.to_string()
            };
            let answer = match body["Entries"].as_array() {
                Some(entries) => {
                    let answer = results[seen.len()].to_string();
                    seen.push(entries.iter().map(|entry| id(&entry["Detail"])).collect());
                    answer
                }
                None => {
                    seen.push(vec![format!("aside {}", id(&body["MessageBody"]))]);
                    r#"{"MessageId":"m","MD5OfMessageBody":""}"#.to_owned()
                }
            };
            Some(StubResponse::new(200, answer))
        });
        let aws = emulator_config(&url);
        let bus = EventBus::open(&aws, &Stage::parse("test").unwrap());
        (Publisher { bus, aws, dead_letters: format!("{url}/q") }, requests)
    }

    fn taken() -> Value {
        json!({"EventId": "e"})
    }

    fn refused() -> Value {
        json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "too much"})
    }

    #[tokio::test]
    async fn only_what_the_bus_refused_is_sent_again() {
        let results = [
            json!({"FailedEntryCount": 1, "Entries": [taken(), refused()]}),
            json!({"FailedEntryCount": 0, "Entries": [taken()]}),
        ];
        let (publisher, requests) = publisher(&results);
        let (first, second) = (event(1), event(2));
        let ids = [first.id.to_string(), second.id.to_string()];
        publisher.publish(vec![first, second]).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), [ids.to_vec(), ids[1..].to_vec()]);
    }

    #[tokio::test]
    async fn what_the_bus_refuses_for_good_is_put_aside_whole() {
        let results =
            vec![json!({"FailedEntryCount": 1, "Entries": [refused()]}); MAX_ATTEMPTS as usize];
        let (publisher, requests) = publisher(&results);
        let event = event(1);
        let id = event.id.to_string();
        publisher.publish(vec![event]).await.unwrap();
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), MAX_ATTEMPTS as usize + 1);
        assert_eq!(requests.last(), Some(&vec![format!("aside {id}")]));
    }

    #[tokio::test]
    async fn an_event_of_which_the_bus_says_nothing_is_not_taken_for_published() {
        let results = [
            json!({"FailedEntryCount": 0, "Entries": [taken()]}),
            json!({}),
            json!({"FailedEntryCount": 0, "Entries": [taken()]}),
        ];
        let (publisher, requests) = publisher(&results);
        let (first, second) = (event(1), event(2));
        let ids = [first.id.to_string(), second.id.to_string()];
        publisher.publish(vec![first, second]).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), [ids.to_vec(), ids[1..].to_vec(), ids[1..].to_vec()]);
    }
}
