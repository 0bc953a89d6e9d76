//! Queues that the bus's rules feed, with visibility, redelivery and dead letters.

use rialto_contracts::Event;
use rialto_kernel::Timestamp;
use rialto_testkit::template;
use std::time::Duration;

/// The consumers whose handlers run in the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consumer {
    DeliveryOnOrders,
    InventoryOnCatalog,
    InventoryOnOrders,
    OrdersOnAccounts,
    OrdersOnCatalog,
    OrdersOnDelivery,
    OrdersOnInventory,
    OrdersOnPayments,
    PaymentsOnInventory,
    PaymentsOnOrders,
}

impl Consumer {
    pub const ALL: [Self; 10] = [
        Self::DeliveryOnOrders,
        Self::InventoryOnCatalog,
        Self::InventoryOnOrders,
        Self::OrdersOnAccounts,
        Self::OrdersOnCatalog,
        Self::OrdersOnDelivery,
        Self::OrdersOnInventory,
        Self::OrdersOnPayments,
        Self::PaymentsOnInventory,
        Self::PaymentsOnOrders,
    ];

    /// The prefix of its resources in the template, such as `OrdersOnCatalog`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// A rule of the template: which events go to which consumer's queue.
#[derive(Debug)]
struct Rule {
    consumer: Consumer,
    source: String,
    kinds: Vec<String>,
    /// How long the queue holds a new message back.
    delay: Duration,
}

/// The rules of `template.yaml`, so that an event which no rule matches isn't delivered here either.
#[derive(Debug)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Reads the rules of this checkout's template.
    ///
    /// # Panics
    /// If a consumer has no rule.
    #[must_use]
    pub fn load() -> Self {
        let template = template();
        let rules = Consumer::ALL.map(|consumer| {
            let target = format!("{}Queue", consumer.name());
            let (_, _, rule) = template
                .resources()
                .filter(|(_, kind, _)| *kind == "AWS::Events::Rule")
                .find(|(_, _, rule)| format!("{:?}", rule["Targets"]).contains(&target))
                .unwrap_or_else(|| panic!("a rule has {target} as its target"));
            let texts = |name: &str| {
                let list = rule["EventPattern"][name].as_sequence();
                let list = list.unwrap_or_else(|| panic!("{target}'s rule has a {name}"));
                list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            let queue = template.resources().find(|(name, _, _)| *name == target);
            let delay = queue.and_then(|(_, _, queue)| queue["DelaySeconds"].as_u64());
            Rule {
                consumer,
                source: texts("source").concat(),
                kinds: texts("detail-type"),
                delay: Duration::from_secs(delay.unwrap_or(0)),
            }
        });
        Self(rules.into())
    }

    /// The consumers of an event, and how long their queues hold it back.
    pub fn consumers<'a>(
        &'a self,
        event: &'a Event,
    ) -> impl Iterator<Item = (Consumer, Duration)> + 'a {
        let matches =
            |rule: &&Rule| rule.source == event.source && rule.kinds.contains(&event.kind);
        self.0.iter().filter(matches).map(|rule| (rule.consumer, rule.delay))
    }
}

/// How long a received message is invisible.
pub const VISIBILITY: Duration = Duration::from_secs(60);

/// Receives after which a message is a dead letter.
pub const MAX_RECEIVES: u32 = 10;

pub type MessageId = u32;

#[derive(Debug, Clone)]
pub struct QueuedMessage {
    pub id: MessageId,
    pub consumer: Consumer,
    pub event: Event,
    pub visible_at: Timestamp,
    pub receives: u32,
}

/// All queues.
#[derive(Debug, Default)]
pub struct Queues {
    messages: Vec<QueuedMessage>,
    dead_letters: Vec<QueuedMessage>,
    next: MessageId,
}

impl Queues {
    pub fn send(&mut self, consumer: Consumer, event: Event, visible_at: Timestamp) {
        self.next += 1;
        let id = self.next;
        self.messages.push(QueuedMessage { id, consumer, event, visible_at, receives: 0 });
    }

    /// Positions of the messages that can be received at `now`.
    #[must_use]
    pub fn visible(&self, now: Timestamp) -> Vec<usize> {
        let visible = |at: &usize| self.messages[*at].visible_at <= now;
        (0..self.messages.len()).filter(visible).collect()
    }

    /// When the next message becomes visible.
    #[must_use]
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.messages.iter().map(|message| message.visible_at).min()
    }

    /// Receives the message at a position of [`Self::visible`]; `None` if that was its last
    /// receive, and it is a dead letter now.
    pub fn receive(&mut self, at: usize, now: Timestamp) -> Option<QueuedMessage> {
        if self.messages[at].receives >= MAX_RECEIVES {
            let message = self.messages.swap_remove(at);
            self.dead_letters.push(message);
            return None;
        }
        let message = &mut self.messages[at];
        message.receives += 1;
        message.visible_at = now.plus(VISIBILITY);
        Some(message.clone())
    }

    /// Deletes a message; a second delivery may have deleted it before.
    pub fn delete(&mut self, id: MessageId) {
        self.messages.retain(|message| message.id != id);
    }

    /// Makes a message visible again at `visible_at`.
    pub fn retry(&mut self, id: MessageId, visible_at: Timestamp) {
        if let Some(message) = self.messages.iter_mut().find(|message| message.id == id) {
            message.visible_at = visible_at;
        }
    }

    /// Moves the dead letters back to their queues; returns how many there were.
    pub fn redrive(&mut self, now: Timestamp) -> usize {
        let letters = std::mem::take(&mut self.dead_letters);
        let count = letters.len();
        for letter in letters {
            self.messages.push(QueuedMessage { receives: 0, visible_at: now, ..letter });
        }
        count
    }

    /// The messages that aren't deleted or dead letters, visible or not.
    #[must_use]
    pub fn messages(&self) -> &[QueuedMessage] {
        &self.messages
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.dead_letters.is_empty()
    }

    #[must_use]
    pub fn dead_letters(&self) -> &[QueuedMessage] {
        &self.dead_letters
    }
}
