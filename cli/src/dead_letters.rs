//! Dead letters: their content, their redrive target, and their selection.

mod access;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use access::{DeadLetters, HOLD_ON_EVERY, Leased};

use crate::duration;
use clap::Args;
use rialto_aws::Stage;
use rialto_contracts::Event;
use rialto_kernel::{OrderId, Timestamp};
use serde::Deserialize;
use std::{fmt, time::Duration};

/// A dead-letter queue, by the kind of its messages. Written as the part of its name between stage
/// and `-dead-letters`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Messages that a consumer failed on, as EventBridge sent them: `inventory-on-orders`.
    Consumer(String),
    /// Events that a service's relay couldn't publish: `orders-outbox`.
    Outbox(String),
    /// Events that EventBridge couldn't deliver to a rule's target.
    Rule,
}

impl Source {
    /// `None` if the queue isn't a dead-letter queue of this stage.
    pub(crate) fn of(stage: &Stage, queue: &str) -> Option<Self> {
        let name =
            queue.strip_prefix(&format!("rialto-{stage}-"))?.strip_suffix("-dead-letters")?;
        // Service names are single words; anything else belongs to a stage whose name has this one
        // as a prefix.
        let word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
        match (name.split_once("-on-"), name.strip_suffix("-outbox")) {
            (Some((service, consumed)), _) if word(service) && word(consumed) => {
                Some(Self::Consumer(name.to_owned()))
            }
            (None, Some(service)) if word(service) => Some(Self::Outbox(service.to_owned())),
            (None, None) if name == "rule" => Some(Self::Rule),
            _ => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consumer(consumer) => f.write_str(consumer),
            Self::Outbox(service) => write!(f, "{service}-outbox"),
            Self::Rule => f.write_str("rule"),
        }
    }
}

/// A message of a dead-letter queue.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) source: Source,
    pub(crate) message_id: String,
    /// How often it was received, by consumers and by later inspections.
    pub(crate) receives: u32,
    /// The time at which it was first sent.
    pub(crate) sent: Timestamp,
    pub(crate) body: String,
    pub(crate) events: Result<Vec<Event>, NoEvents>,
    pub(crate) marks: RedriveMetadata,
}

/// Message attributes: those that EventBridge adds to undeliverable events, and those of an earlier
/// redrive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RedriveMetadata {
    pub(crate) target: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) redrives: u32,
    pub(crate) redriven_at: Option<String>,
}

/// Why a message has no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoEvents {
    /// It can't be parsed, for this reason.
    Unparsable(String),
    /// A relay skipped these records after 12 hours.
    Skipped(SkippedRecords),
}

impl fmt::Display for NoEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unparsable(why) => write!(f, "it can't be parsed: {why}"),
            Self::Skipped(skipped) => write!(
                f,
                "it names {} that the relay skipped, not their events, and can't be sent; find \
                 the orders with rialto saga stuck, and publish their events with rialto outbox \
                 resend --order",
                skipped.records()
            ),
        }
    }
}

/// Records of a table's stream, as Lambda names them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SkippedRecords {
    stream_arn: String,
    pub(crate) shard_id: String,
    pub(crate) start_sequence_number: String,
    pub(crate) end_sequence_number: String,
    batch_size: u32,
}

impl SkippedRecords {
    /// The table's name, or the stream's ARN if it isn't like one.
    pub(crate) fn table(&self) -> &str {
        self.stream_arn.split('/').nth(1).unwrap_or(&self.stream_arn)
    }

    /// Their number and their table.
    pub(crate) fn records(&self) -> String {
        format!("{} records of {}", self.batch_size, self.table())
    }
}

/// The target of a redrive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RedriveTarget {
    /// This queue; the message is sent unchanged.
    Queue(String),
    /// The bus; its events are published.
    Bus,
    /// None, with the reason.
    Nowhere(String),
}

impl DeadLetter {
    /// Parses a message of `source`.
    ///
    /// # Errors
    /// The reason why it has no events.
    pub(crate) fn read(source: &Source, body: &str) -> Result<Vec<Event>, NoEvents> {
        #[derive(Deserialize)]
        struct Envelope {
            detail: Event,
        }
        /// A relay stores single events, and whole outboxes that it couldn't parse; Lambda stores
        /// the position of records that it skips.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Outbox {
            One(Box<Event>),
            Whole(Vec<Event>),
            Skipped {
                #[serde(rename = "DDBStreamBatchInfo")]
                records: SkippedRecords,
            },
        }
        let read = match source {
            Source::Consumer(_) | Source::Rule => {
                serde_json::from_str(body).map(|Envelope { detail }| Ok(vec![detail]))
            }
            Source::Outbox(_) => serde_json::from_str(body).map(|outbox| match outbox {
                Outbox::One(event) => Ok(vec![*event]),
                Outbox::Whole(events) => Ok(events),
                Outbox::Skipped { records } => Err(NoEvents::Skipped(records)),
            }),
        };
        read.unwrap_or_else(|error| Err(NoEvents::Unparsable(error.to_string())))
    }

    /// The records that a relay skipped, if the message is about such.
    pub(crate) const fn skipped(&self) -> Option<&SkippedRecords> {
        match &self.events {
            Err(NoEvents::Skipped(records)) => Some(records),
            _ => None,
        }
    }

    pub(crate) fn target(&self, stage: &Stage) -> RedriveTarget {
        if let Err(why) = &self.events {
            return RedriveTarget::Nowhere(why.to_string());
        }
        match &self.source {
            Source::Consumer(consumer) => {
                RedriveTarget::Queue(format!("rialto-{stage}-{consumer}"))
            }
            Source::Outbox(_) => RedriveTarget::Bus,
            Source::Rule => self.rule_target(stage),
        }
    }

    /// The queue that the rule targeted.
    fn rule_target(&self, stage: &Stage) -> RedriveTarget {
        let Some(target) = &self.marks.target else {
            return RedriveTarget::Nowhere("it has no target (TARGET_ARN)".to_owned());
        };
        let queue = target
            .strip_prefix("arn:")
            .and_then(|_| target.rsplit_once(':'))
            .map_or("", |(_, name)| name);
        match target.contains(":sqs:") && queue.starts_with(&format!("rialto-{stage}-")) {
            true => RedriveTarget::Queue(queue.to_owned()),
            false => {
                RedriveTarget::Nowhere(format!("its target {target} isn't a queue of this stage"))
            }
        }
    }

    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.since(self.sent)
    }

    /// Whether an event concerns the order, product or other thing with this id.
    pub(crate) fn concerns(&self, id: &str) -> bool {
        match &self.events {
            Ok(events) => {
                events.iter().any(|event| event.correlationid == id || event.subject == id)
            }
            Err(_) => self.body.contains(id),
        }
    }

    pub(crate) fn has_type(&self, kind: &str) -> bool {
        self.events.iter().flatten().any(|event| event.kind == kind)
    }

    /// A row below [`HEADING`].
    pub(crate) fn row(&self, now: Timestamp) -> [String; 7] {
        let joined = |what: fn(&Event) -> &str| match &self.events {
            Ok(events) => {
                let mut values: Vec<_> = events.iter().map(what).collect();
                values.dedup();
                values.join("+")
            }
            Err(_) => "?".to_owned(),
        };
        let (event, about) = match self.skipped() {
            Some(skipped) => ("skipped-records".to_owned(), skipped.table().to_owned()),
            None => (joined(|event| &event.kind), joined(|event| &event.subject)),
        };
        [
            self.message_id.chars().take(8).collect(),
            self.source.to_string(),
            event,
            about,
            duration::short(self.age(now)),
            self.receives.to_string(),
            if self.marks.redrives == 0 {
                "-".to_owned()
            } else {
                format!("{}x", self.marks.redrives)
            },
        ]
    }
}

pub(crate) const HEADING: [&str; 7] =
    ["id", "queue", "event", "about", "age", "receives", "redriven"];

/// A table with its heading, oldest message first.
pub(crate) fn rows(letters: &[DeadLetter], now: Timestamp) -> Vec<[String; 7]> {
    let mut rows = vec![HEADING.map(str::to_owned)];
    rows.extend(letters.iter().map(|letter| letter.row(now)));
    rows
}

/// The selected dead letters; all of them by default.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only messages about this order
    #[arg(long, value_name = "ORDER_ID", value_parser = OrderId::parse)]
    pub(crate) order: Option<OrderId>,
    /// Only events of this type, such as OrderPlaced
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only messages sent longer ago than this: 90s, 10m, 2h, 3d
    #[arg(long, value_name = "AGE", value_parser = duration::parse)]
    pub(crate) age: Option<Duration>,
    /// Only messages of this queue, as the list names it: inventory-on-orders, orders-outbox, rule,
    /// …
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: Option<String>,
    /// Only events that relays couldn't publish
    #[arg(skip)]
    pub(crate) outboxes_only: bool,
}

impl Selection {
    /// All messages about one order.
    pub(crate) fn of_order(order: OrderId) -> Self {
        Self { order: Some(order), ..Self::default() }
    }

    /// Whether messages of a queue can match.
    pub(crate) fn may_be_in(&self, source: &Source) -> bool {
        let outbox = matches!(source, Source::Outbox(_));
        (outbox || !self.outboxes_only)
            && self.queue.as_ref().is_none_or(|queue| *queue == source.to_string())
    }

    pub(crate) fn accepts(&self, letter: &DeadLetter, now: Timestamp) -> bool {
        self.may_be_in(&letter.source)
            && self.order.is_none_or(|order| letter.concerns(&order.to_string()))
            && self.kind.as_ref().is_none_or(|kind| letter.has_type(kind))
            && self.age.is_none_or(|age| letter.age(now) > age)
    }
}
