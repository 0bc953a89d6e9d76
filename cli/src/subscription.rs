//! A queue of its own that receives a stage's events from the bus.

use crate::aws::sdk_words;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Tag, Target};
use aws_sdk_sqs::{
    operation::receive_message::ReceiveMessageOutput,
    types::{DeleteMessageBatchRequestEntry, QueueAttributeName},
};
use rialto_aws::SdkConfig;
use rialto_contracts::Event;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{error::Error, fmt};

/// The source of the events by which a subscriber sees whether its subscription delivers.
pub const PROBE_SOURCE: &str = "rialto.harness";
/// How long messages stay in a queue that no run empties.
const RETENTION_SECONDS: u32 = 3_600;
const TARGET: &str = "subscription";
/// The most messages of one SQS request.
const BATCH: i32 = 10;

/// A queue and the rule that sends events to it, both with the same name.
#[derive(Debug, Clone)]
pub struct Subscription {
    events: aws_sdk_eventbridge::Client,
    queues: aws_sdk_sqs::Client,
    bus: String,
    name: String,
    queue_url: String,
}

/// An event as EventBridge delivered it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedEvent {
    /// EventBridge's `source`, which rules match on, like `detail_type`.
    pub source: String,
    pub detail_type: String,
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

/// An error of the bus or of the queue.
#[derive(Debug)]
pub struct SubscriptionError {
    doing: &'static str,
    what: String,
}

impl SubscriptionError {
    fn of(doing: &'static str) -> impl Fn(&(dyn Error + 'static)) -> Self {
        move |error| Self { doing, what: sdk_words(error) }
    }
}

impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.doing, self.what)
    }
}

impl Error for SubscriptionError {}

impl ReceivedEvent {
    /// Parses a message that EventBridge sent. The error is in words.
    ///
    /// # Errors
    /// A message that EventBridge can't have sent.
    pub fn parse(body: &str) -> Result<Self, String> {
        let envelope: Envelope = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let Envelope { source, detail_type, detail } = envelope;
        Ok(Self { source, detail_type, detail })
    }

    /// The event, if it has the form of one.
    ///
    /// # Errors
    /// The form's mistake.
    pub fn event(&self) -> Result<Event, serde_json::Error> {
        Event::deserialize(&self.detail)
    }
}

impl Subscription {
    /// Subscribes to Rialto's events, or those whose `detail` matches this pattern. Events that are
    /// published within a moment of it may be missed.
    ///
    /// # Errors
    /// [`SubscriptionError`]; what was created by then is removed.
    pub async fn open(
        aws: &SdkConfig,
        bus: &str,
        name: &str,
        tags: &[(&str, String)],
        detail: Option<Value>,
    ) -> Result<Self, SubscriptionError> {
        let queues = aws_sdk_sqs::Client::new(aws);
        let create =
            tags.iter().fold(queues.create_queue().queue_name(name), |create, (key, value)| {
                create.tags(*key, value)
            });
        let create = create
            .attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION_SECONDS.to_string());
        let created = create.send().await;
        let created = created.map_err(|error| SubscriptionError::of("Creating a queue")(&error))?;
        let subscription = Self {
            events: aws_sdk_eventbridge::Client::new(aws),
            queues,
            bus: bus.to_owned(),
            name: name.to_owned(),
            queue_url: created.queue_url.unwrap_or_default(),
        };
        match subscription.connect(tags, detail).await {
            Ok(()) => Ok(subscription),
            Err(error) => {
                // The first error is reported.
                subscription.close().await.ok();
                Err(error)
            }
        }
    }

    async fn connect(
        &self,
        tags: &[(&str, String)],
        detail: Option<Value>,
    ) -> Result<(), SubscriptionError> {
        let mut pattern = json!({ "source": [{ "prefix": "rialto." }] });
        if let Some(detail) = detail {
            pattern["detail"] = detail;
        }
        let rule = self.events.put_rule().event_bus_name(&self.bus).name(&self.name);
        let tag =
            |(key, value): &(&str, String)| Tag::builder().key(*key).value(value).build().ok();
        let rule = rule.set_tags(Some(tags.iter().filter_map(tag).collect()));
        let rule = rule.event_pattern(pattern.to_string()).send().await;
        let rule = rule.map_err(|error| SubscriptionError::of("Creating a rule")(&error))?;
        let rule_arn = rule.rule_arn.unwrap_or_default();
        let queue_arn = self.queue_arn().await?;
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "events.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": { "ArnEquals": { "aws:SourceArn": rule_arn } },
            }],
        });
        let permit = self.queues.set_queue_attributes().queue_url(&self.queue_url);
        let permit = permit.attributes(QueueAttributeName::Policy, policy.to_string()).send().await;
        permit.map_err(|error| SubscriptionError::of("Setting the queue's policy")(&error))?;
        let target = Target::builder().id(TARGET).arn(queue_arn).build();
        let target =
            target.map_err(|error| SubscriptionError::of("Naming the rule's target")(&error))?;
        let targets = self.events.put_targets().event_bus_name(&self.bus).rule(&self.name);
        let set = targets.targets(target).send().await;
        let set =
            set.map_err(|error| SubscriptionError::of("Setting the rule's target")(&error))?;
        match set.failed_entries.unwrap_or_default().first() {
            None => Ok(()),
            Some(failed) => Err(SubscriptionError {
                doing: "Setting the rule's target",
                what: failed.error_message().unwrap_or("it was refused").to_owned(),
            }),
        }
    }

    async fn queue_arn(&self) -> Result<String, SubscriptionError> {
        let attributes = self.queues.get_queue_attributes().queue_url(&self.queue_url);
        let attributes = attributes.attribute_names(QueueAttributeName::QueueArn).send().await;
        let attributes = attributes
            .map_err(|error| SubscriptionError::of("Reading the queue's attributes")(&error))?;
        let arn =
            attributes.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
        Ok(arn.unwrap_or_default())
    }

    /// Takes a batch of received events, and waits this long for one. A message that isn't an
    /// event's is an error in words.
    ///
    /// # Errors
    /// [`SubscriptionError`] if the queue doesn't respond.
    pub async fn take(
        &self,
        wait_seconds: i32,
    ) -> Result<Vec<Result<ReceivedEvent, String>>, SubscriptionError> {
        let receive = self.queues.receive_message().queue_url(&self.queue_url);
        let receive = receive.max_number_of_messages(BATCH).wait_time_seconds(wait_seconds);
        let received = receive.send().await;
        let ReceiveMessageOutput { messages, .. } =
            received.map_err(|error| SubscriptionError::of("Receiving events")(&error))?;
        let messages = messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let entry = |(at, message): (usize, &aws_sdk_sqs::types::Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
            entry.receipt_handle(message.receipt_handle().unwrap_or_default()).build().ok()
        };
        let entries: Vec<_> = messages.iter().enumerate().filter_map(entry).collect();
        let delete = self.queues.delete_message_batch().queue_url(&self.queue_url);
        let delete = delete.set_entries(Some(entries)).send().await;
        // A message that stays is received again; receivers tell events apart by their ids.
        drop(delete);
        Ok(messages
            .iter()
            .map(|message| ReceivedEvent::parse(message.body().unwrap_or_default()))
            .collect())
    }

    /// Publishes a probe, which every subscription to all events receives.
    ///
    /// # Errors
    /// [`SubscriptionError`] if the bus doesn't accept it.
    pub async fn publish_probe(&self, detail: &Value) -> Result<(), SubscriptionError> {
        self.put(PROBE_SOURCE, "HarnessProbe", detail).await
    }

    /// Publishes an event once more, with its id.
    ///
    /// # Errors
    /// [`SubscriptionError`] if the bus doesn't accept it.
    pub async fn publish_again(&self, event: &Event) -> Result<(), SubscriptionError> {
        self.put(&event.source, &event.kind, &json!(event)).await
    }

    async fn put(
        &self,
        source: &str,
        detail_type: &str,
        detail: &Value,
    ) -> Result<(), SubscriptionError> {
        let entry = PutEventsRequestEntry::builder().event_bus_name(&self.bus).source(source);
        let entry = entry.detail_type(detail_type).detail(detail.to_string()).build();
        let put = self.events.put_events().entries(entry).send().await;
        let put = put.map_err(|error| SubscriptionError::of("Publishing an event")(&error))?;
        let entries = put.entries.unwrap_or_default();
        match entries.into_iter().find_map(|entry| entry.error_code) {
            None => Ok(()),
            Some(code) => Err(SubscriptionError { doing: "Publishing an event", what: code }),
        }
    }

    /// Shows that the subscription is in use: it isn't abandoned for a while then.
    ///
    /// # Errors
    /// [`SubscriptionError`] if the queue can't be changed.
    pub async fn refresh(&self) -> Result<(), SubscriptionError> {
        let set = self.queues.set_queue_attributes().queue_url(&self.queue_url);
        let set = set
            .attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION_SECONDS.to_string());
        let set = set.send().await;
        set.map(drop).map_err(|error| SubscriptionError::of("Refreshing the queue")(&error))
    }

    /// Removes the rule and the queue.
    ///
    /// # Errors
    /// [`SubscriptionError`] if one of them couldn't be removed.
    pub async fn close(self) -> Result<(), SubscriptionError> {
        // Without its queue a rule would never be found again.
        remove_rule(&self.events, &self.bus, &self.name).await?;
        let queue = self.queues.delete_queue().queue_url(&self.queue_url).send().await;
        queue.map(drop).map_err(|error| SubscriptionError::of("Deleting the queue")(&error))
    }
}

/// Removes a rule and its target. One that doesn't exist is removed already.
async fn remove_rule(
    events: &aws_sdk_eventbridge::Client,
    bus: &str,
    name: &str,
) -> Result<(), SubscriptionError> {
    let targets = events.remove_targets().event_bus_name(bus).rule(name).ids(TARGET).send().await;
    let targets = match targets {
        Err(error)
            if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) =>
        {
            Ok(())
        }
        other => other
            .map(drop)
            .map_err(|error| SubscriptionError::of("Removing the rule's target")(&error)),
    };
    let rule = events.delete_rule().event_bus_name(bus).name(name).send().await;
    let rule = rule.map_err(|error| SubscriptionError::of("Deleting the rule")(&error));
    targets.and(rule.map(drop))
}

/// Removes the subscriptions whose names have this prefix, no further `-`, and whose queues were
/// created and refreshed before this time, in seconds since 1970. Returns their names; what can't be
/// removed is left to the next call.
///
/// # Errors
/// [`SubscriptionError`] if they can't be listed.
pub async fn remove_abandoned(
    aws: &SdkConfig,
    bus: &str,
    prefix: &str,
    before: i64,
) -> Result<Vec<String>, SubscriptionError> {
    let queues = aws_sdk_sqs::Client::new(aws);
    let events = aws_sdk_eventbridge::Client::new(aws);
    let listed = queues.list_queues().queue_name_prefix(prefix).send().await;
    let listed = listed.map_err(|error| SubscriptionError::of("Listing the queues")(&error))?;
    let mut removed = Vec::new();
    for queue_url in listed.queue_urls.unwrap_or_default() {
        let name = queue_url.rsplit('/').next().unwrap_or_default().to_owned();
        if name.strip_prefix(prefix).is_none_or(|run| run.is_empty() || run.contains('-')) {
            continue;
        }
        let attributes = queues.get_queue_attributes().queue_url(&queue_url);
        let names =
            [QueueAttributeName::CreatedTimestamp, QueueAttributeName::LastModifiedTimestamp];
        let attributes = attributes.set_attribute_names(Some(names.into())).send().await;
        // Another run may have removed it meanwhile.
        let Ok(attributes) = attributes else { continue };
        let times = attributes.attributes.unwrap_or_default();
        let used = times.values().filter_map(|seconds| seconds.parse::<i64>().ok()).max();
        if used.is_some_and(|used| used < before) {
            let abandoned = Subscription {
                events: events.clone(),
                queues: queues.clone(),
                bus: bus.to_owned(),
                name: name.clone(),
                queue_url,
            };
            if abandoned.close().await.is_ok() {
                removed.push(name);
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_bus_are_parsed() {
        let body = r#"{"version":"0","id":"1","source":"rialto.harness","detail-type":"Probe",
            "detail":{"run":"r"}}"#;
        let received = ReceivedEvent::parse(body).unwrap();
        assert_eq!(
            (received.source.as_str(), received.detail_type.as_str()),
            ("rialto.harness", "Probe")
        );
        assert_eq!(received.detail, json!({"run": "r"}));
        assert!(received.event().is_err());
        assert!(ReceivedEvent::parse("{}").unwrap_err().contains("source"));
    }
}
