//! Subscribing to the event bus, and publishing received events again.

use crate::{aws::Aws, shop::unique};
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use rialto_contracts::Event;
use serde::Deserialize;
use serde_json::{Value, json};

/// A queue of its own that receives events from the bus.
#[derive(Debug)]
pub struct BusSubscription {
    aws: Aws,
    name: String,
    queue_url: String,
}

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

#[derive(Deserialize)]
struct Envelope {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    detail: Value,
}

impl ReceivedEvent {
    fn read(body: &str) -> Self {
        let envelope: Envelope =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        let event = serde_json::from_value(envelope.detail.clone());
        let event =
            event.unwrap_or_else(|error| panic!("invalid event on the bus: {error}: {body}"));
        Self {
            source: envelope.source,
            detail_type: envelope.detail_type,
            event,
            detail: envelope.detail,
        }
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
        let created = aws.queues.create_queue().queue_name(&name).send().await.expect("a queue");
        let queue_url = created.queue_url.unwrap();
        let attributes = aws.queues.get_queue_attributes().queue_url(&queue_url);
        let attributes =
            attributes.attribute_names(QueueAttributeName::QueueArn).send().await.expect("a queue");
        let arn = attributes.attributes.unwrap().remove(&QueueAttributeName::QueueArn).unwrap();
        let mut pattern = json!({ "source": [{ "prefix": "rialto." }] });
        if let Some(detail) = detail {
            pattern["detail"] = detail;
        }
        let rule = aws.events.put_rule().event_bus_name(aws.stage.event_bus()).name(&name);
        rule.event_pattern(pattern.to_string()).send().await.expect("a rule");
        let target = Target::builder().id("subscription").arn(arn).build().unwrap();
        let targets = aws.events.put_targets().event_bus_name(aws.stage.event_bus()).rule(&name);
        targets.targets(target).send().await.expect("a target");
        Self { aws: aws.clone(), name, queue_url }
    }

    /// Takes a batch of received events; empty if there are none at the moment.
    pub async fn take(&self) -> Vec<ReceivedEvent> {
        let received = self.aws.queues.receive_message().queue_url(&self.queue_url);
        let received =
            received.max_number_of_messages(10).send().await.expect("the queue responds");
        let mut events = Vec::new();
        for message in received.messages.unwrap_or_default() {
            events.push(ReceivedEvent::read(message.body().unwrap_or_default()));
            let delete = self.aws.queues.delete_message().queue_url(&self.queue_url);
            let delete = delete.receipt_handle(message.receipt_handle().unwrap_or_default());
            delete.send().await.expect("the queue responds");
        }
        events
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
        let bus = self.aws.stage.event_bus();
        let targets = self
            .aws
            .events
            .remove_targets()
            .event_bus_name(&bus)
            .rule(&self.name)
            .ids("subscription");
        targets.send().await.expect("the target is removed");
        let rule = self.aws.events.delete_rule().event_bus_name(&bus).name(&self.name);
        rule.send().await.expect("the rule is deleted");
        self.aws
            .queues
            .delete_queue()
            .queue_url(&self.queue_url)
            .send()
            .await
            .expect("the queue is deleted");
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
