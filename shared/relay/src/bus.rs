//! A stage's event bus.

use crate::detail;
use aws_sdk_eventbridge::{
    Client,
    error::DisplayErrorContext,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::Event;

/// The bus's own limits for one request.
const ENTRIES_A_REQUEST: usize = 10;
const BYTES_A_REQUEST: usize = 256 * 1024;

pub struct EventBus {
    client: Client,
    name: String,
}

/// The bus doesn't answer: whether it has the events isn't known.
#[derive(Debug, thiserror::Error)]
#[error("the bus can't be reached: {0}")]
pub struct BusError(String);

/// An event that the bus didn't take, and what it says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedEvent {
    pub event: Event,
    pub code: String,
}

impl EventBus {
    #[must_use]
    pub fn open(aws: &SdkConfig, stage: &Stage) -> Self {
        Self { client: Client::new(aws), name: stage.event_bus() }
    }

    /// Sends what one request takes, as [`batches`] cuts it; what the bus refused of it. An event of which the bus says nothing
    /// is none that it took.
    ///
    /// # Errors
    /// [`BusError`] when it isn't known which it took.
    pub async fn send(&self, batch: Vec<Event>) -> Result<Vec<RejectedEvent>, BusError> {
        let entries = batch.iter().map(|event| self.entry(event)).collect();
        let answer = self.client.put_events().set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| BusError(DisplayErrorContext(error).to_string()))?;
        let results = answer.entries.unwrap_or_default();
        let refused = |(at, event): (usize, Event)| match why_refused(results.get(at)) {
            Some(code) => Some(RejectedEvent { event, code }),
            None => {
                log_published(&event);
                None
            }
        };
        Ok(batch.into_iter().enumerate().filter_map(refused).collect())
    }

    fn entry(&self, event: &Event) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(&event.source)
            .detail_type(&event.kind)
            .detail(detail(event))
            .build()
    }
}

fn why_refused(result: Option<&PutEventsResultEntry>) -> Option<String> {
    match result {
        None => Some("no result".to_owned()),
        Some(result) => result.error_code().map(str::to_owned),
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
#[must_use]
pub fn batches(events: Vec<Event>) -> Vec<Vec<Event>> {
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
    use rialto_contracts::{EventContext, accounts::UserRegistered};
    use rialto_kernel::{Timestamp, UserId};

    fn event(number: u64, padding: usize) -> Event {
        let payload = UserRegistered { user_id: UserId::derive(&[b"u"]) };
        let mut event =
            Event::new(&payload, number, 0, Timestamp::from_millis(1), &EventContext::default());
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
