//! To the bus, and what it refuses to the dead-letter queue.

use crate::detail;
use aws_sdk_eventbridge::{error::DisplayErrorContext, types::PutEventsRequestEntry};
use rialto_aws::SdkConfig;
use rialto_contracts::Event;
use rialto_lambda::App;
use std::time::Duration;

/// The bus's own limits for one request.
const ENTRIES_A_REQUEST: usize = 10;
const BYTES_A_REQUEST: usize = 256 * 1024;
/// How often entries that the bus refuses are sent before they are put aside.
const TRIES: u32 = 4;

/// Neither published nor put aside: the stream has to bring it again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("the bus can't be reached: {0}")]
    Bus(String),
    #[error("the dead-letter queue can't be reached: {0}")]
    DeadLetters(String),
}

pub(crate) struct Bus {
    events: aws_sdk_eventbridge::Client,
    aws: SdkConfig,
    bus: String,
    dead_letters: String,
}

impl Bus {
    pub(crate) fn from_environment(app: &App) -> Self {
        Self {
            events: aws_sdk_eventbridge::Client::new(&app.aws),
            aws: app.aws.clone(),
            bus: app.stage.event_bus(),
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
        for tries in 0..TRIES {
            if tries > 0 {
                tokio::time::sleep(Duration::from_millis(50 << tries)).await;
            }
            let entries = left.iter().map(|event| self.entry(event)).collect();
            let answer = self.events.put_events().set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| PublishError::Bus(DisplayErrorContext(error).to_string()))?;
            let results = answer.entries.unwrap_or_default();
            left = left
                .into_iter()
                .enumerate()
                .filter(|(at, event)| match results.get(*at).and_then(|result| result.error_code()) {
                    None => {
                        log_published(event);
                        false
                    }
                    Some(code) => {
                        tracing::warn!(event = %event.id, kind = event.kind, code, "the bus refused an event");
                        true
                    }
                })
                .map(|(_, event)| event)
                .collect();
            if left.is_empty() {
                return Ok(());
            }
        }
        let whole: Vec<String> = left.iter().map(detail).collect();
        self.put_aside(&whole).await
    }

    pub(crate) async fn put_aside(&self, bodies: &[String]) -> Result<(), PublishError> {
        if bodies.is_empty() {
            return Ok(());
        }
        // Made only now, because it is seldom needed and would be a third of the relay's start.
        let queues = aws_sdk_sqs::Client::new(&self.aws);
        for body in bodies {
            tracing::error!("an event is put aside in the outbox's dead-letter queue");
            let request = queues.send_message().queue_url(&self.dead_letters).message_body(body);
            let sent = request.send().await;
            sent.map_err(|error| PublishError::DeadLetters(DisplayErrorContext(error).to_string()))?;
        }
        Ok(())
    }

    fn entry(&self, event: &Event) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(&event.source)
            .detail_type(&event.kind)
            .detail(detail(event))
            .build()
    }
}

fn log_published(event: &Event) {
    tracing::info!(
        event = %event.id,
        kind = event.kind,
        subject = event.subject,
        correlation_id = event.correlationid,
        traceparent = event.traceparent,
        "published"
    );
}

/// Cuts the events, in order, into what one request takes.
fn batches(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut batches: Vec<Vec<Event>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        // Source, type and bus name count too.
        let size = detail(&event).len() + 256;
        match batches.last_mut() {
            Some(batch) if batch.len() < ENTRIES_A_REQUEST && bytes + size <= BYTES_A_REQUEST => {
                bytes += size;
                batch.push(event);
            }
            _ => {
                bytes = size;
                batches.push(vec![event]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_contracts::{Cause, accounts::UserRegistered};
    use rialto_kernel::{Timestamp, UserId};

    fn event(number: u64, padding: usize) -> Event {
        let payload = UserRegistered { user_id: UserId::derive(&[b"u"]) };
        let mut event = Event::new(&payload, number, 0, Timestamp::from_millis(1), &Cause::default());
        event.correlationid = "x".repeat(padding);
        event
    }

    #[test]
    fn a_request_takes_ten_events() {
        let sizes: Vec<usize> =
            batches((0..25).map(|at| event(at, 0)).collect()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn a_request_takes_256_kib() {
        let sizes: Vec<usize> =
            batches((0..6).map(|at| event(at, 60_000)).collect()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 2]);
    }

    #[test]
    fn no_event_is_lost_and_the_order_stays() {
        let ids: Vec<_> = (0..33).map(|at| event(at, 20_000)).collect();
        assert_eq!(batches(ids.clone()).concat(), ids);
    }
}
