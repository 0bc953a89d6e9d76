//! A stage's event bus.

use crate::detail;
use aws_sdk_eventbridge::{
    Client,
    error::DisplayErrorContext,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::Event;

/// EventBridge's limits for one request.
const MAX_ENTRIES_PER_REQUEST: usize = 10;
const MAX_BYTES_PER_REQUEST: usize = 256 * 1024;

pub struct EventBus {
    client: Client,
    name: String,
}

/// The request failed; it isn't known which events the bus has.
#[derive(Debug, thiserror::Error)]
#[error("the bus can't be reached: {0}")]
pub struct BusError(String);

/// An event that the bus rejected, with the bus's error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedEvent {
    pub event: Event,
    pub code: String,
}

/// The error codes of events that the bus can never accept. Others are a matter of time, such as
/// `ThrottlingException` and `InternalFailure`, or of permissions, which an operator repairs.
const REFUSALS: [&str; 3] = ["InvalidArgument", "MalformedDetail", "RedactionFailure"];

impl RejectedEvent {
    /// Whether the bus will reject it whenever it is sent.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        REFUSALS.contains(&self.code.as_str())
    }
}

impl EventBus {
    #[must_use]
    pub fn open(aws: &SdkConfig, stage: &Stage) -> Self {
        Self { client: Client::new(aws), name: stage.event_bus() }
    }

    /// Sends a batch that fits into one request (see [`batches`]), and returns the events that the
    /// bus rejected. An event without a result counts as rejected.
    ///
    /// # Errors
    /// [`BusError`] when it isn't known which events the bus accepted.
    pub async fn send(&self, batch: Vec<Event>) -> Result<Vec<RejectedEvent>, BusError> {
        let entries = batch.iter().map(|event| self.entry(event)).collect();
        let response = self.client.put_events().set_entries(Some(entries)).send().await;
        let response =
            response.map_err(|error| BusError(DisplayErrorContext(error).to_string()))?;
        let results = response.entries.unwrap_or_default();
        let rejected = |(at, event): (usize, Event)| match rejection_code(results.get(at)) {
            Some(code) => Some(RejectedEvent { event, code }),
            None => {
                log_published(&event);
                None
            }
        };
        Ok(batch.into_iter().enumerate().filter_map(rejected).collect())
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

fn rejection_code(result: Option<&PutEventsResultEntry>) -> Option<String> {
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

/// Splits the events, in order, into batches that fit into one request each.
#[must_use]
pub fn batches(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut batches: Vec<Vec<Event>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        // Source, type and bus name count too.
        let size = detail(&event).len() + 256;
        match batches.last_mut() {
            Some(batch)
                if batch.len() < MAX_ENTRIES_PER_REQUEST
                    && bytes + size <= MAX_BYTES_PER_REQUEST =>
            {
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
    fn a_batch_has_at_most_ten_events() {
        let sizes: Vec<usize> =
            batches((0..25).map(|at| event(at, 0)).collect()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn a_batch_has_at_most_256_kib() {
        let sizes: Vec<usize> =
            batches((0..6).map(|at| event(at, 60_000)).collect()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 2]);
    }

    #[test]
    fn batches_keep_all_events_in_order() {
        let ids: Vec<_> = (0..33).map(|at| event(at, 20_000)).collect();
        assert_eq!(batches(ids.clone()).concat(), ids);
    }
}
