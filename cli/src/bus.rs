//! The stage's event bus.

use crate::{aws::sdk_failure, failure::Failure};
use aws_sdk_eventbridge::{Client, types::PutEventsRequestEntry};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::Event;

/// Three events of the greatest size fit into the 256 KiB of one request.
const BATCH: usize = 3;

pub(crate) struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    pub(crate) fn open(aws: &SdkConfig, stage: &Stage) -> Self {
        Self { client: Client::new(aws), name: stage.event_bus() }
    }

    /// Publishes events as a relay does, under the ids that they have.
    ///
    /// # Errors
    /// [`Failure`] when one wasn't taken; those before it may have been, and are the same when they come again.
    pub(crate) async fn publish(&self, events: &[Event]) -> Result<(), Failure> {
        for some in events.chunks(BATCH) {
            let entries: Result<Vec<_>, _> = some.iter().map(|event| self.entry(event)).collect();
            let entries = entries.map_err(|error| sdk_failure("Writing an event", &error))?;
            let answer = self.client.put_events().set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| sdk_failure("Publishing", &error))?;
            for (event, entry) in some.iter().zip(answer.entries.unwrap_or_default()) {
                if let Some(code) = entry.error_code {
                    return Err(Failure::new(
                        format!("The bus refused {} {}: {code}.", event.kind, event.id),
                        "Try again; if it refuses once more, see what EventBridge says of that code.",
                    ));
                }
            }
        }
        Ok(())
    }

    fn entry(&self, event: &Event) -> Result<PutEventsRequestEntry, serde_json::Error> {
        let entry = PutEventsRequestEntry::builder().event_bus_name(&self.name).source(&event.source);
        Ok(entry.detail_type(&event.kind).detail(serde_json::to_value(event)?.to_string()).build())
    }
}
