//! Subscribing to the event bus, and publishing received events again.

use crate::{aws::Aws, shop::unique};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use rialto_cli::subscription::{self, Subscription};
use rialto_contracts::Event;
use serde_json::{Value, json};

/// A queue of its own that receives events from the bus.
#[derive(Debug)]
pub struct BusSubscription(Subscription);

/// An event as EventBridge delivered it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedEvent {
    /// EventBridge's `source`, which rules match on, like `detail_type`.
    pub source: String,
    pub detail_type: String,
    pub event: Event,
    /// The event as JSON, with all its members.
    pub detail: Value,
}

impl ReceivedEvent {
    fn of(received: Result<subscription::ReceivedEvent, String>) -> Self {
        let received = received.unwrap_or_else(|error| panic!("not an event's message: {error}"));
        let event = received.event();
        let event =
            event.unwrap_or_else(|error| panic!("invalid event on the bus: {error}: {received:?}"));
        let subscription::ReceivedEvent { source, detail_type, detail } = received;
        Self { source, detail_type, event, detail }
    }

    /// The body of an SQS message with this event.
    pub fn message(&self) -> String {
        message(&self.source, &self.detail_type, &self.detail)
    }
}

/// An event in the envelope that EventBridge sends to a queue.
pub fn message(source: &str, detail_type: &str, detail: &Value) -> String {
    json!({
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000000",
        "source": source,
        "detail-type": detail_type,
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    })
    .to_string()
}

impl BusSubscription {
    /// Subscribes to the events of these orders from now on.
    pub async fn on_orders(aws: &Aws, orders: &[String]) -> Self {
        Self::open(aws, Some(json!({ "correlationid": orders }))).await
    }

    /// Subscribes to all events from now on.
    pub async fn on_everything(aws: &Aws) -> Self {
        Self::open(aws, None).await
    }

    async fn open(aws: &Aws, detail: Option<Value>) -> Self {
        let name = unique("subscription");
        let bus = aws.stage.event_bus();
        let opened = Subscription::open(&aws.config, &bus, &name, &[], detail).await;
        Self(opened.expect("a subscription"))
    }

    /// Takes a batch of received events; empty if there are none at the moment.
    pub async fn take(&self) -> Vec<ReceivedEvent> {
        let received = self.0.take(0).await.expect("the queue responds");
        // Probes of harnesses that run beside the tests aren't events.
        let is_probe = |received: &Result<subscription::ReceivedEvent, String>| {
            received.as_ref().is_ok_and(|received| received.source == subscription::PROBE_SOURCE)
        };
        received.into_iter().filter(|received| !is_probe(received)).map(ReceivedEvent::of).collect()
    }

    /// Takes all received events.
    pub async fn take_all(&self) -> Vec<ReceivedEvent> {
        let mut all = Vec::new();
        loop {
            match self.take().await {
                some if some.is_empty() => return all,
                some => all.extend(some),
            }
        }
    }

    pub async fn close(self) {
        self.0.close().await.expect("the subscription is removed");
    }
}

/// Publishes received events again, in this order.
pub async fn publish(aws: &Aws, events: &[ReceivedEvent]) {
    for batch in events.chunks(10) {
        let entry = |event: &ReceivedEvent| {
            PutEventsRequestEntry::builder()
                .event_bus_name(aws.stage.event_bus())
                .source(&event.source)
                .detail_type(&event.detail_type)
                .detail(event.detail.to_string())
                .build()
        };
        let entries = batch.iter().map(entry).collect();
        let response = aws
            .events
            .put_events()
            .set_entries(Some(entries))
            .send()
            .await
            .expect("the bus responds");
        assert_eq!(
            response.failed_entry_count, 0,
            "the bus rejects events: {:?}",
            response.entries
        );
    }
}
