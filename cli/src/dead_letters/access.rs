//! Access to the dead-letter queues. Messages are leased for inspection and released afterwards.

use super::{DeadLetter, RedriveMetadata, RedriveTarget, Selection, Source};
use crate::{
    aws::{sdk_failure, sdk_words},
    bus::publish,
    failure::Failure,
    output::progress,
};
use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue,
        MessageSystemAttributeName, QueueAttributeName,
    },
};
use futures_util::future::join_all;
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::{Clock, SystemClock, Timestamp};
use rialto_relay::EventBus;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// Visibility timeout of a leased message: how long it stays hidden if this command is killed.
const HOLD_SECONDS: i32 = 120;
/// Interval at which longer leases are extended.
pub(crate) const HOLD_ON_EVERY: Duration = Duration::from_secs(30);
/// Long polling, so that SQS asks all of its servers.
const WAIT_SECONDS: i32 = 1;
/// Maximum batch size of an SQS request.
const BATCH: usize = 10;
const REDRIVES: &str = "redrive-count";
const REDRIVEN_AT: &str = "redriven-at";

/// The dead-letter queues of a stage.
pub(crate) struct DeadLetters {
    sqs: Client,
    bus: EventBus,
    stage: Stage,
}

/// A dead letter leased by this process and hidden from other receivers until it is released.
pub(crate) struct Leased {
    pub(crate) letter: DeadLetter,
    queue: String,
    receipt: String,
}

struct Queue {
    source: Source,
    url: String,
}

impl DeadLetters {
    pub(crate) fn open(aws: &SdkConfig, stage: &Stage) -> Self {
        Self { sqs: Client::new(aws), bus: EventBus::open(aws, stage), stage: stage.clone() }
    }

    /// Returns the selected dead letters, oldest first, and releases them.
    ///
    /// # Errors
    /// [`Failure`] if a queue can't be read, or if there is no queue of the selected name.
    pub(crate) async fn peek(&self, selection: &Selection) -> Result<Vec<DeadLetter>, Failure> {
        let held = self.lease(selection).await?;
        self.release(&held).await?;
        Ok(held.into_iter().map(|held| held.letter).collect())
    }

    /// The approximate number of dead letters of each queue that has some. Receives none.
    ///
    /// # Errors
    /// [`Failure`] if a queue doesn't respond.
    pub(crate) async fn counts(&self) -> Result<Vec<(Source, u64)>, Failure> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let mut counts = Vec::new();
        for queue in self.queues(&Selection::default()).await? {
            let request = self.sqs.get_queue_attributes().queue_url(&queue.url);
            let response = request.set_attribute_names(Some(names.to_vec())).send().await;
            let response = response
                .map_err(|error| sdk_failure(&format!("Reading {}", queue.source), &error))?;
            let numbers = response.attributes.unwrap_or_default();
            let count = numbers.values().filter_map(|number| number.parse::<u64>().ok()).sum();
            if count > 0 {
                counts.push((queue.source, count));
            }
        }
        Ok(counts)
    }

    /// Leases the selected dead letters, oldest first.
    ///
    /// # Errors
    /// As for [`peek`](Self::peek); nothing stays leased then.
    pub(crate) async fn lease(&self, selection: &Selection) -> Result<Vec<Leased>, Failure> {
        let queues = self.queues(selection).await?;
        let (mut all, mut failed) = (Vec::new(), None);
        for (held, failure) in join_all(queues.iter().map(|queue| self.drain(queue))).await {
            all.extend(held);
            failed = failed.or(failure);
        }
        let now = SystemClock.now();
        let (mut meant, rest): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|held| failed.is_none() && selection.accepts(&held.letter, now));
        self.release(&rest).await?;
        meant.sort_by_key(|held| held.letter.sent);
        failed.map_or(Ok(meant), Err)
    }

    /// Makes leased messages visible again.
    ///
    /// # Errors
    /// [`Failure`] if a queue doesn't respond; the leases expire by themselves then.
    pub(crate) async fn release(&self, held: &[Leased]) -> Result<(), Failure> {
        let late = self.set_visibility(held, 0).await?.len();
        if late > 0 {
            progress(format!("{late} of the messages become visible only in {HOLD_SECONDS} s."));
        }
        Ok(())
    }

    /// Extends the leases. Returns those that had expired.
    ///
    /// # Errors
    /// [`Failure`] if a queue doesn't respond.
    pub(crate) async fn extend_lease(
        &self,
        held: &mut Vec<Leased>,
    ) -> Result<Vec<Leased>, Failure> {
        let refused = self.set_visibility(held, HOLD_SECONDS).await?;
        let is_lost = |held: &Leased| refused.contains(&held.receipt);
        let (lost, still) = std::mem::take(held).into_iter().partition(is_lost);
        *held = still;
        Ok(lost)
    }

    /// Sets the visibility timeout of leased messages. Returns the receipts that SQS refused.
    async fn set_visibility(
        &self,
        held: &[Leased],
        seconds: i32,
    ) -> Result<HashSet<String>, Failure> {
        let mut by_queue: HashMap<&str, Vec<&Leased>> = HashMap::new();
        for held in held {
            by_queue.entry(&held.queue).or_default().push(held);
        }
        let batches =
            by_queue.iter().flat_map(|(queue, held)| held.chunks(BATCH).map(|some| (*queue, some)));
        let refused: Result<Vec<_>, Failure> =
            join_all(batches.map(|(queue, some)| self.hide_batch(queue, some, seconds)))
                .await
                .into_iter()
                .collect();
        Ok(refused?.into_iter().flatten().collect())
    }

    async fn hide_batch(
        &self,
        queue: &str,
        held: &[&Leased],
        seconds: i32,
    ) -> Result<Vec<String>, Failure> {
        let what = if seconds == 0 { "Releasing the messages" } else { "Extending the leases" };
        let entry = |(at, held): (usize, &&Leased)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
            entry.receipt_handle(&held.receipt).visibility_timeout(seconds).build()
        };
        let entries: Result<_, _> = held.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|error| sdk_failure(what, &error))?;
        let request =
            self.sqs.change_message_visibility_batch().queue_url(queue).set_entries(Some(entries));
        let response = request.send().await.map_err(|error| sdk_failure(what, &error))?;
        let refused =
            response.failed.iter().filter_map(|failed| held.get(failed.id.parse::<usize>().ok()?));
        Ok(refused.map(|held| held.receipt.clone()).collect())
    }

    /// Sends a dead letter to its target, then deletes it, so that it is always in at least one
    /// place. Returns the reason if the message was sent but couldn't be deleted; it is in both
    /// places then, which is harmless.
    ///
    /// # Errors
    /// [`Failure`] if it can't be sent; it stays a dead letter then.
    pub(crate) async fn redrive(
        &self,
        held: &Leased,
        now: Timestamp,
    ) -> Result<Option<String>, Failure> {
        match held.letter.target(&self.stage) {
            RedriveTarget::Queue(queue) => self.send(&queue, &held.letter, now).await?,
            RedriveTarget::Bus => {
                publish(&self.bus, held.letter.events.as_deref().unwrap_or_default()).await?
            }
            RedriveTarget::Nowhere(why) => {
                return Err(Failure::new(
                    format!("{} can't be redriven: {why}.", held.letter.message_id),
                    "Leave it out by --order, --type or --queue.",
                ));
            }
        }
        let delete = self.sqs.delete_message().queue_url(&held.queue).receipt_handle(&held.receipt);
        let refused = delete.send().await.err();
        Ok(refused.map(|error| sdk_words(&error)))
    }

    async fn send(&self, queue: &str, letter: &DeadLetter, now: Timestamp) -> Result<(), Failure> {
        let url = self.sqs.get_queue_url().queue_name(queue).send().await;
        let url =
            url.map_err(|error| sdk_failure(&format!("Looking for the queue {queue}"), &error))?;
        let request =
            self.sqs.send_message().set_queue_url(url.queue_url).message_body(&letter.body);
        let request = request
            .message_attributes(
                REDRIVES,
                attribute("Number", (letter.marks.redrives + 1).to_string())?,
            )
            .message_attributes(REDRIVEN_AT, attribute("String", now.to_string())?);
        let sent = request.send().await;
        sent.map(drop).map_err(|error| sdk_failure(&format!("Sending to {queue}"), &error))
    }

    /// The selected queues.
    async fn queues(&self, selection: &Selection) -> Result<Vec<Queue>, Failure> {
        let list = self
            .sqs
            .list_queues()
            .queue_name_prefix(format!("rialto-{}-", self.stage))
            .max_results(1_000);
        let urls: Result<Vec<String>, _> = list.into_paginator().items().send().collect().await;
        let urls = urls.map_err(|error| sdk_failure("Listing the queues", &error))?;
        let known: Vec<Queue> = urls
            .into_iter()
            .filter_map(|url| {
                let source = Source::of(&self.stage, url.rsplit('/').next().unwrap_or_default())?;
                Some(Queue { source, url })
            })
            .collect();
        if known.is_empty() {
            return Err(Failure::new(
                format!("The stage {} has no dead-letter queues.", self.stage),
                "Deploy it first (scripts/up or scripts/deploy), or check --stage and the region.",
            ));
        }
        let mut names: Vec<String> = known.iter().map(|queue| queue.source.to_string()).collect();
        let meant: Vec<Queue> =
            known.into_iter().filter(|queue| selection.may_be_in(&queue.source)).collect();
        match &selection.queue {
            Some(queue) if meant.is_empty() => {
                names.sort_unstable();
                Err(Failure::new(
                    format!("Dead-letter queue {queue:?} not found."),
                    format!("Name one of: {}.", names.join(", ")),
                ))
            }
            _ => Ok(meant),
        }
    }

    /// Receives every message of a queue. Ends with the error if one occurs.
    async fn drain(&self, queue: &Queue) -> (Vec<Leased>, Option<Failure>) {
        let mut held: Vec<Leased> = Vec::new();
        loop {
            let request =
                self.sqs.receive_message().queue_url(&queue.url).max_number_of_messages(10);
            let request = request
                .visibility_timeout(HOLD_SECONDS)
                .wait_time_seconds(WAIT_SECONDS)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All);
            let received = match request.send().await {
                Ok(response) => response.messages.unwrap_or_default(),
                Err(error) => {
                    let failure = sdk_failure(
                        &format!("Reading the dead letters of {}", queue.source),
                        &error,
                    );
                    return (held, Some(failure));
                }
            };
            let before = held.len();
            for message in received {
                let new = queue.take(message);
                // A message whose lease expired is received again, with another receipt.
                match held.iter_mut().find(|known| known.letter.message_id == new.letter.message_id)
                {
                    Some(known) => *known = new,
                    None => held.push(new),
                }
            }
            if held.len() == before {
                self.tell_hidden(queue, held.len()).await;
                return (held, None);
            }
        }
    }

    /// Warns of messages in flight, which another process has leased.
    async fn tell_hidden(&self, queue: &Queue, held: usize) {
        let name = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let query =
            self.sqs.get_queue_attributes().queue_url(&queue.url).attribute_names(name.clone());
        let hidden = match query.send().await {
            Ok(response) => response.attributes.and_then(|mut numbers| numbers.remove(&name)),
            // The warning is optional: an error here is ignored.
            Err(_) => None,
        };
        let hidden = hidden
            .and_then(|number| number.parse::<usize>().ok())
            .unwrap_or(0)
            .saturating_sub(held);
        if hidden > 0 {
            progress(format!(
                "{}: {hidden} more are hidden, because another process has leased them; try again in {HOLD_SECONDS} s.",
                queue.source
            ));
        }
    }
}

impl Queue {
    fn take(&self, message: Message) -> Leased {
        let body = message.body.unwrap_or_default();
        let system = message.attributes.unwrap_or_default();
        let number =
            |name: MessageSystemAttributeName| system.get(&name).and_then(|text| text.parse().ok());
        let sent = number(MessageSystemAttributeName::SentTimestamp).unwrap_or(0);
        let receives = number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(0);
        let letter = DeadLetter {
            events: DeadLetter::read(&self.source, &body),
            source: self.source.clone(),
            message_id: message.message_id.unwrap_or_default(),
            receives: u32::try_from(receives).unwrap_or(u32::MAX),
            sent: Timestamp::from_millis(sent),
            marks: marks(message.message_attributes.unwrap_or_default()),
            body,
        };
        Leased {
            letter,
            queue: self.url.clone(),
            receipt: message.receipt_handle.unwrap_or_default(),
        }
    }
}

fn marks(mut attributes: HashMap<String, MessageAttributeValue>) -> RedriveMetadata {
    let mut text =
        |name: &str| attributes.remove(name).and_then(|attribute| attribute.string_value);
    RedriveMetadata {
        target: text("TARGET_ARN"),
        error: text("ERROR_CODE"),
        redrives: text(REDRIVES).and_then(|count| count.parse().ok()).unwrap_or(0),
        redriven_at: text(REDRIVEN_AT),
    }
}

fn attribute(kind: &str, value: String) -> Result<MessageAttributeValue, Failure> {
    let built = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
    built.map_err(|error| sdk_failure("Building the message attributes", &error))
}
