//! What couldn't be delivered or published: what it says, where it belongs, and which of it is meant.

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

/// A dead-letter queue, by what lies in it. Written as its name between stage and `-dead-letters`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// What a consumer failed on, as EventBridge put it into its queue: `inventory-on-orders`.
    Consumer(String),
    /// Events that a service's relay couldn't publish: `orders-outbox`.
    Outbox(String),
    /// What the bus couldn't hand to a rule's target.
    Rule,
}

impl Source {
    /// None for a queue that is no dead-letter queue of this stage.
    pub(crate) fn of(stage: &Stage, queue: &str) -> Option<Self> {
        let name =
            queue.strip_prefix(&format!("rialto-{stage}-"))?.strip_suffix("-dead-letters")?;
        // Services are single words: what isn't one belongs to a stage whose name begins like this one's.
        let word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
        match (name.split_once("-on-"), name.strip_suffix("-outbox")) {
            (Some((service, heard)), _) if word(service) && word(heard) => {
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
    /// How many times it was received, by consumers and by whoever looked at it since.
    pub(crate) receives: u32,
    /// When it was first sent.
    pub(crate) sent: Timestamp,
    pub(crate) body: String,
    /// What it says; why nobody can read it, otherwise.
    pub(crate) events: Result<Vec<Event>, String>,
    pub(crate) marks: RedriveMetadata,
}

/// A message's attributes: those that EventBridge gives what it couldn't hand on, and those of an earlier redrive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RedriveMetadata {
    pub(crate) target: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) redrives: u32,
    pub(crate) redriven_at: Option<String>,
}

/// Where a dead letter belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RedriveTarget {
    /// Into this queue, as it is.
    Queue(String),
    /// Its events onto the bus.
    Bus,
    /// It stays where it is; why.
    Nowhere(String),
}

impl DeadLetter {
    /// What a message of `source` says.
    ///
    /// # Errors
    /// Why it can't be read.
    pub(crate) fn read(source: &Source, body: &str) -> Result<Vec<Event>, String> {
        #[derive(Deserialize)]
        struct Envelope {
            detail: Event,
        }
        /// A relay puts single events aside, and outboxes that it couldn't read.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Outbox {
            One(Box<Event>),
            Whole(Vec<Event>),
        }
        let read = match source {
            Source::Consumer(_) | Source::Rule => {
                serde_json::from_str(body).map(|Envelope { detail }| vec![detail])
            }
            Source::Outbox(_) => serde_json::from_str(body).map(|outbox| match outbox {
                Outbox::One(event) => vec![*event],
                Outbox::Whole(events) => events,
            }),
        };
        read.map_err(|error| error.to_string())
    }

    pub(crate) fn target(&self, stage: &Stage) -> RedriveTarget {
        if let Err(why) = &self.events {
            return RedriveTarget::Nowhere(format!("nobody can read it: {why}"));
        }
        match &self.source {
            Source::Consumer(consumer) => {
                RedriveTarget::Queue(format!("rialto-{stage}-{consumer}"))
            }
            Source::Outbox(_) => RedriveTarget::Bus,
            Source::Rule => self.rule_target(stage),
        }
    }

    /// The queue that a rule meant.
    fn rule_target(&self, stage: &Stage) -> RedriveTarget {
        let Some(target) = &self.marks.target else {
            return RedriveTarget::Nowhere(
                "it doesn't say for whom it was (TARGET_ARN)".to_owned(),
            );
        };
        let queue = target
            .strip_prefix("arn:")
            .and_then(|_| target.rsplit_once(':'))
            .map_or("", |(_, name)| name);
        match target.contains(":sqs:") && queue.starts_with(&format!("rialto-{stage}-")) {
            true => RedriveTarget::Queue(queue.to_owned()),
            false => RedriveTarget::Nowhere(format!(
                "it was for {target}, which is no queue of this stage"
            )),
        }
    }

    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.since(self.sent)
    }

    /// Whether it says something of this order, product or whatever has an id.
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

    /// A row of [`HEADING`].
    pub(crate) fn row(&self, now: Timestamp) -> [String; 7] {
        let told = |what: fn(&Event) -> &str| match &self.events {
            Ok(events) => {
                let mut told: Vec<_> = events.iter().map(what).collect();
                told.dedup();
                told.join("+")
            }
            Err(_) => "?".to_owned(),
        };
        [
            self.message_id.chars().take(8).collect(),
            self.source.to_string(),
            told(|event| &event.kind),
            told(|event| &event.subject),
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

/// Rows with their heading, the oldest first.
pub(crate) fn rows(letters: &[DeadLetter], now: Timestamp) -> Vec<[String; 7]> {
    let mut rows = vec![HEADING.map(str::to_owned)];
    rows.extend(letters.iter().map(|letter| letter.row(now)));
    rows
}

/// Which dead letters are meant; all of them, unless something is said.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only what belongs to this order.
    #[arg(long, value_name = "ORDER_ID", value_parser = OrderId::parse)]
    pub(crate) order: Option<OrderId>,
    /// Only events of this type, such as OrderPlaced.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only what was sent longer ago than this: 90s, 10m, 2h, 3d.
    #[arg(long, value_name = "AGE", value_parser = duration::parse)]
    pub(crate) age: Option<Duration>,
    /// Only what lies in this queue, as the list names it: inventory-on-orders, orders-outbox, rule, …
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: Option<String>,
    /// Only what relays put aside.
    #[arg(skip)]
    pub(crate) outboxes_only: bool,
}

impl Selection {
    /// All of one order.
    pub(crate) fn of_order(order: OrderId) -> Self {
        Self { order: Some(order), ..Self::default() }
    }

    /// Whether a queue's messages can be meant.
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
