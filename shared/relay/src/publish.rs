//! Publishing on the bus, with a dead-letter queue for events that the bus can't accept.

use crate::{
    bus::{BusError, EventBus, batches},
    detail,
};
use aws_sdk_sqs::error::DisplayErrorContext;
use futures_util::future::join_all;
use rialto_aws::SdkConfig;
use rialto_contracts::Event;
use rialto_kernel::Backoff;
use rialto_lambda::FunctionContext;
use serde::de::IgnoredAny;
use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The pauses before rejected events are sent again, until the invocation's time is over.
const RETRIES: Backoff =
    Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(4) };
/// The number of requests that are sent side by side.
const MAX_LANES: usize = 5;
/// The number of events that justify a lane: those of one request.
const EVENTS_PER_LANE: usize = 10;
/// SQS's limit of a message's length in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Neither published nor dead-lettered: the stream delivers the records again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("the bus still rejects events: {0}")]
    Rejected(String),
    #[error("the dead-letter queue can't be reached: {0}")]
    DeadLetters(String),
}

pub(crate) struct Publisher {
    bus: EventBus,
    aws: SdkConfig,
    /// The `source` of this service's events.
    source: String,
    dead_letters: String,
    max_lanes: usize,
}

impl Publisher {
    pub(crate) fn from_environment(app: &FunctionContext) -> Self {
        let service = app.function.split('-').next().unwrap_or_default();
        Self {
            bus: EventBus::open(&app.aws, &app.stage),
            aws: app.aws.clone(),
            source: format!("rialto.{service}"),
            dead_letters: std::env::var("OUTBOX_DEAD_LETTERS").unwrap_or_default(),
            max_lanes: MAX_LANES,
        }
    }

    /// Publishes events; those of one aggregate in their order, others side by side. Until
    /// `deadline` it sends again what the bus rejects for the moment. Then it puts aside those that
    /// the bus can never accept. After an error it isn't known which of the events were published;
    /// the stream delivers all of them again, so none was put aside.
    pub(crate) async fn publish(
        &self,
        events: Vec<Event>,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        // The role may put events of its own service only: another one would hold up the stream.
        let (own, foreign): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| event.source == self.source);
        let published = lanes(own, self.max_lanes).into_iter().map(|lane| async move {
            let mut refused = Vec::new();
            for batch in batches(lane) {
                refused.extend(self.publish_batch(batch, deadline).await?);
            }
            Ok::<_, PublishError>(refused)
        });
        let mut aside = foreign;
        for refused in join_all(published).await {
            aside.extend(refused?);
        }
        let bodies: Vec<String> = aside.iter().map(detail).collect();
        self.dead_letter(&bodies).await
    }

    /// Sends a batch, and the events that the bus rejects for the moment again. Returns those that
    /// it refuses.
    async fn publish_batch(
        &self,
        mut remaining: Vec<Event>,
        deadline: Instant,
    ) -> Result<Vec<Event>, PublishError> {
        let mut all_refused = Vec::new();
        for failures in 1.. {
            let rejected = self.bus.send(remaining).await?;
            for rejected in &rejected {
                let (event, code) = (&rejected.event, &rejected.code);
                tracing::warn!(event = %event.id, kind = event.kind, code, "the bus rejected an event");
            }
            let (refused, waiting): (Vec<_>, Vec<_>) =
                rejected.into_iter().partition(|rejected| rejected.is_refused());
            all_refused.extend(refused.into_iter().map(|rejected| rejected.event));
            let Some(first) = waiting.first() else { break };
            let pause = RETRIES.pause(failures);
            if Instant::now() + pause >= deadline {
                return Err(PublishError::Rejected(first.code.clone()));
            }
            sleep(pause).await;
            remaining = waiting.into_iter().map(|rejected| rejected.event).collect();
        }
        Ok(all_refused)
    }

    pub(crate) async fn dead_letter(&self, bodies: &[String]) -> Result<(), PublishError> {
        if bodies.is_empty() {
            return Ok(());
        }
        // Created on demand: it is rarely needed and would be a third of the relay's cold start.
        let queues = aws_sdk_sqs::Client::new(&self.aws);
        for body in bodies {
            tracing::error!("event moved to the outbox's dead-letter queue");
            let request = queues.send_message().queue_url(&self.dead_letters);
            let sent = request.message_body(message_body(body)).send().await;
            sent.map_err(|error| {
                PublishError::DeadLetters(DisplayErrorContext(error).to_string())
            })?;
        }
        Ok(())
    }
}

/// Distributes events to at most this many lanes, by aggregate. Each keeps their order.
fn lanes(events: Vec<Event>, most: usize) -> Vec<Vec<Event>> {
    let count = events.len().div_ceil(EVENTS_PER_LANE).clamp(1, most);
    let mut lanes = vec![Vec::new(); count];
    for event in events {
        let mut hasher = DefaultHasher::new();
        event.subject.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % count as u64).unwrap_or_default();
        lanes[lane].push(event);
    }
    lanes
}

/// A text as a body that SQS accepts: what it refuses is escaped as in JSON. A text that isn't JSON
/// becomes a JSON string if it needs escapes.
fn message_body(text: &str) -> String {
    let mut body = if text.chars().all(is_accepted) {
        text.to_owned()
    } else if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        escape(text)
    } else {
        escape(&serde_json::Value::from(text).to_string())
    };
    if body.len() > MAX_BODY_BYTES {
        tracing::error!(bytes = body.len(), "a dead letter is cut to SQS's limit");
        let end = (0..=MAX_BODY_BYTES).rev().find(|end| body.is_char_boundary(*end));
        body.truncate(end.unwrap_or_default());
    }
    body
}

/// Escapes what SQS refuses. In JSON it can only be in strings, where the escape has the same
/// meaning.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_accepted(character) {
            escaped.push(character);
        } else {
            // Writing to a string doesn't fail.
            write!(escaped, "\\u{:04x}", u32::from(character)).ok();
        }
    }
    escaped
}

/// Whether SQS accepts messages with this character. All that it refuses are below U+10000.
const fn is_accepted(character: char) -> bool {
    !matches!(
        character,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'
    )
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
        event_of("u", number)
    }

    /// The event with this number of a user.
    fn event_of(user: &str, number: u64) -> Event {
        let payload = UserRegistered { user_id: UserId::derive(&[user.as_bytes()]) };
        Event::new(&payload, number, 0, Timestamp::from_millis(1), &EventContext::default())
    }

    /// A deadline that no test reaches.
    fn later() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    /// Whether SQS refuses the request because of the characters in its body.
    fn is_refused(body: &str) -> bool {
        !body.chars().all(|character| {
            matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
                || character > '\u{ffff}'
        })
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
                None if is_refused(body["MessageBody"].as_str().unwrap()) => {
                    let error = r#"{"__type":"com.amazonaws.sqs#InvalidMessageContents"}"#;
                    return Some(StubResponse::new(400, error));
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
        let source = "rialto.accounts".to_owned();
        let dead_letters = format!("{url}/q");
        (Publisher { bus, aws, source, dead_letters, max_lanes: MAX_LANES }, requests)
    }

    fn accepted() -> Value {
        json!({"EventId": "e"})
    }

    fn rejected() -> Value {
        rejected_with("ThrottlingException")
    }

    fn rejected_with(code: &str) -> Value {
        json!({"ErrorCode": code, "ErrorMessage": "no"})
    }

    fn response(entries: &[Value]) -> Value {
        json!({"FailedEntryCount": 1, "Entries": entries})
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
        publisher.publish(vec![first, second], later()).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), [ids.to_vec(), ids[1..].to_vec()]);
    }

    #[tokio::test]
    async fn refused_events_are_put_aside() {
        for code in ["InvalidArgument", "MalformedDetail", "RedactionFailure"] {
            let results = [response(&[rejected_with(code), accepted()])];
            let (publisher, requests) = publisher(&results);
            let (first, second) = (event(1), event(2));
            let ids = [first.id.to_string(), second.id.to_string()];
            publisher.publish(vec![first, second], later()).await.unwrap();
            let put_aside = vec![format!("dead letter {}", ids[0])];
            assert_eq!(*requests.lock().unwrap(), [ids.to_vec(), put_aside], "{code}");
        }
    }

    #[tokio::test]
    async fn events_rejected_for_the_moment_hold_up_the_stream() {
        // Those that are documented as retryable, those of permissions, and unknown ones.
        for code in [
            "ThrottlingException",
            "InternalFailure",
            "InternalException",
            "ServiceUnavailable",
            "AccessDeniedException",
            "NotAuthorizedForSourceException",
            "LimitExceededException",
        ] {
            let results = vec![response(&[rejected_with(code)]); 100];
            let (publisher, requests) = publisher(&results);
            let deadline = Instant::now() + Duration::from_millis(100);
            let failed = publisher.publish(vec![event(1)], deadline).await;
            assert!(matches!(failed, Err(PublishError::Rejected(with)) if with == code), "{code}");
            assert!(!requests.lock().unwrap().concat().concat().contains("dead"), "{code}");
        }
    }

    #[tokio::test]
    async fn throttled_events_are_sent_until_accepted() {
        let mut results = vec![response(&[rejected()]); 4];
        results.push(response(&[accepted()]));
        let (publisher, requests) = publisher(&results);
        let event = event(1);
        let id = event.id.to_string();
        publisher.publish(vec![event], later()).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), vec![vec![id]; 5]);
    }

    #[tokio::test]
    async fn events_of_other_services_are_put_aside() {
        let (publisher, requests) = publisher(&[response(&[accepted()])]);
        let (mut foreign, own) = (event(1), event(2));
        foreign.source = "rialto.orders".to_owned();
        let expected = [vec![own.id.to_string()], vec![format!("dead letter {}", foreign.id)]];
        publisher.publish(vec![foreign, own], later()).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn events_are_put_aside_only_after_all_others() {
        // The stream delivers all of them again until the throttled one is accepted.
        let mut results = vec![response(&[rejected_with("InvalidArgument"), rejected()])];
        results.extend(vec![response(&[rejected()]); 100]);
        let (publisher, requests) = publisher(&results);
        let (mut foreign, refused, throttled) = (event(1), event(2), event(3));
        foreign.source = "rialto.orders".to_owned();
        let deadline = Instant::now() + Duration::from_millis(100);
        let failed = publisher.publish(vec![foreign, refused, throttled], deadline).await;
        assert!(matches!(failed, Err(PublishError::Rejected(_))), "{failed:?}");
        assert!(!requests.lock().unwrap().concat().concat().contains("dead"));
    }

    #[tokio::test]
    async fn bodies_that_sqs_refuses_are_escaped() {
        let (publisher, requests) = publisher(&[response(&[rejected_with("MalformedDetail")])]);
        let mut event = event(1);
        event.data = json!({ "title": "\u{fffe} and \u{ffff}" });
        assert!(is_refused(&detail(&event)));
        let expected = format!("dead letter {}", event.id);
        publisher.publish(vec![event], later()).await.unwrap();
        assert_eq!(requests.lock().unwrap()[1], [expected]);
    }

    #[test]
    fn bodies_keep_their_meaning() {
        let json = format!("[\"{}\"]", "a\u{fffe}é\u{1f600}");
        let body = message_body(&json);
        assert_eq!(body, "[\"a\\ufffeé\u{1f600}\"]");
        let read = |body: &str| serde_json::from_str::<Value>(body).unwrap();
        assert_eq!(read(&body), read(&json));
        for broken in ["[{\u{ffff}", "\0", "[{"] {
            let body = message_body(broken);
            assert!(!is_refused(&body), "{body}");
            assert!(body == broken || read(&body) == broken, "{body}");
        }
        assert_eq!(message_body(&"é".repeat(MAX_BODY_BYTES)).len(), MAX_BODY_BYTES);
    }

    #[test]
    fn lanes_keep_the_order_of_each_aggregate() {
        let users = ["a", "b", "c", "d", "e", "f", "g"];
        let events: Vec<Event> = (0..70).map(|at| event_of(users[at % 7], at as u64)).collect();
        let lanes = lanes(events.clone(), 5);
        assert_eq!(lanes.len(), 5);
        assert_eq!(lanes.concat().len(), events.len());
        for user in users {
            let subject = UserId::derive(&[user.as_bytes()]).to_string();
            let of_user = |events: &[Event]| -> Vec<u64> {
                let own = events.iter().filter(|event| event.subject == subject);
                own.map(|event| event.sequence).collect()
            };
            let holding: Vec<_> = lanes.iter().filter(|lane| !of_user(lane).is_empty()).collect();
            assert_eq!(holding.len(), 1, "{user} is in one lane");
            assert_eq!(of_user(holding[0]), of_user(&events));
        }
        assert_eq!(super::lanes(events[..10].to_vec(), 5).len(), 1, "as many as fill a request");
    }

    #[tokio::test]
    #[ignore = "a measurement: cargo test -p rialto-relay --lib -- --ignored --nocapture"]
    async fn measure_events_per_second_of_a_shard() {
        const EVENTS: u64 = 100;
        println!("| latency of the bus | batches at once | events per second |");
        println!("|---|---|---|");
        for latency in [10, 25, 50] {
            let url = serve(move |request| {
                std::thread::sleep(Duration::from_millis(latency));
                let entries = request.body.matches("DetailType").count();
                Some(StubResponse::new(200, response(&vec![accepted(); entries]).to_string()))
            });
            for max_lanes in [1, MAX_LANES] {
                let (mut publisher, _) = publisher(&[]);
                publisher.bus =
                    EventBus::open(&emulator_config(&url), &Stage::parse("test").unwrap());
                publisher.max_lanes = max_lanes;
                let started = std::time::Instant::now();
                for invocation in 0..10_u64 {
                    let events = (0..EVENTS).map(|at| event_of(&at.to_string(), invocation + 1));
                    publisher.publish(events.collect(), later()).await.unwrap();
                }
                let rate = 10.0 * 100.0 / started.elapsed().as_secs_f64();
                println!("| {latency} ms | {max_lanes} | {rate:.0} |");
            }
        }
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
        publisher.publish(vec![first, second], later()).await.unwrap();
        assert_eq!(*requests.lock().unwrap(), [ids.to_vec(), ids[1..].to_vec(), ids[1..].to_vec()]);
    }
}
