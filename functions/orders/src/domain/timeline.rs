//! The events of an order's saga: the newest ones in the order's own item, the others in parts.

use super::order::Order;
use rialto_contracts::{Event, orders::Orders};
use rialto_kernel::{EventId, OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeSet, mem};

/// The entries that an order's own item has at most, and those of a part.
pub const MAX_ENTRIES: usize = 50;

/// An event of the saga: emitted by the order, or applied to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    pub id: EventId,
    #[serde(rename = "type")]
    pub kind: String,
    pub source: String,
    pub time: Timestamp,
    /// The event that caused this one.
    pub causationid: Option<EventId>,
    /// The trace context of an event that orders emitted, so that it can be rebuilt unchanged;
    /// `None` for other services' events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    pub data: Value,
}

impl From<&Event> for TimelineEntry {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id,
            kind: event.kind.clone(),
            source: event.source.clone(),
            time: event.time,
            causationid: event.causationid,
            traceparent: event.traceparent.clone().filter(|_| event.source == Orders::NAME),
            data: event.data.clone(),
        }
    }
}

/// The entries that were moved out of an order's own item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedTimeline {
    /// The number of parts.
    pub parts: u32,
    /// The ids of their entries, by which an event is recognised that was applied before.
    #[serde(with = "packed")]
    pub ids: Vec<EventId>,
}

impl ArchivedTimeline {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts == 0
    }
}

/// Ids as one binary value: half the size of a list of texts.
mod packed {
    use rialto_kernel::EventId;
    use serde::{
        Deserializer, Serializer,
        de::{Error, SeqAccess, Visitor},
    };
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(
        ids: &[EventId],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_bytes()).collect();
        serializer.serialize_bytes(&bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<EventId>, D::Error> {
        deserializer.deserialize_byte_buf(PackedIds)
    }

    struct PackedIds;

    impl<'de> Visitor<'de> for PackedIds {
        type Value = Vec<EventId>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ids of 16 bytes each")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            let (ids, rest) = bytes.as_chunks();
            match rest {
                [] => Ok(ids.iter().copied().map(EventId::from_bytes).collect()),
                _ => Err(E::invalid_length(bytes.len(), &self)),
            }
        }

        /// Formats without a binary type, such as JSON.
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = seq.next_element()? {
                bytes.push(byte);
            }
            self.visit_bytes(&bytes)
        }
    }
}

/// The oldest entries of a timeline, moved to an item of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelinePart {
    pub order_id: OrderId,
    /// From 1, the oldest entries first.
    pub number: u32,
    pub entries: Vec<TimelineEntry>,
}

impl Order {
    /// Whether an event is in the timeline.
    #[must_use]
    pub fn has_recorded(&self, event: EventId) -> bool {
        self.timeline.iter().any(|entry| entry.id == event) || self.archived.ids.contains(&event)
    }

    /// The order as its own item holds it, with the newest entries of the timeline only, and the
    /// parts that become items of their own by the same write.
    #[must_use]
    pub fn archive_timeline(&self) -> (Cow<'_, Self>, Vec<TimelinePart>) {
        if self.timeline.len() <= MAX_ENTRIES {
            return (Cow::Borrowed(self), Vec::new());
        }
        let mut order = self.clone();
        let mut parts = Vec::new();
        while order.timeline.len() > MAX_ENTRIES {
            let newest = order.timeline.split_off(MAX_ENTRIES);
            let entries = mem::replace(&mut order.timeline, newest);
            order.archived.parts += 1;
            order.archived.ids.extend(entries.iter().map(|entry| entry.id));
            let (order_id, number) = (order.order_id, order.archived.parts);
            parts.push(TimelinePart { order_id, number, entries });
        }
        (Cow::Owned(order), parts)
    }

    /// Adds a part of the timeline again, for readers of the complete timeline. A part that was
    /// moved after the order was read is already in its timeline.
    pub fn restore(&mut self, part: TimelinePart) {
        if part.number <= self.archived.parts {
            self.timeline.extend(part.entries);
        }
    }
}

/// Sorts the entries topologically, each cause before its effects, and unrelated ones by time.
#[must_use]
pub fn in_causal_order(entries: &[TimelineEntry]) -> Vec<&TimelineEntry> {
    let mut remaining: Vec<&TimelineEntry> = entries.iter().collect();
    remaining.sort_by_key(|entry| (entry.time, entry.id));
    let mut ids: BTreeSet<EventId> = remaining.iter().map(|entry| entry.id).collect();
    let mut ordered: Vec<&TimelineEntry> = Vec::with_capacity(remaining.len());
    while !remaining.is_empty() {
        // Emit an event once its cause has been emitted or is absent. Causation ids are acyclic; if
        // they weren't, the oldest event would be emitted.
        let is_next =
            |entry: &&TimelineEntry| entry.causationid.is_none_or(|cause| !ids.contains(&cause));
        let next = remaining.iter().position(is_next).unwrap_or(0);
        let entry = remaining.remove(next);
        ids.remove(&entry.id);
        ordered.push(entry);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::placed_order;

    /// An order with this many entries, of which some may be archived already.
    fn order(entries: usize, archived: ArchivedTimeline) -> Order {
        let entry = |number: usize| entry(&format!("e{number}"), 0, None);
        let timeline = (0..entries).map(entry).collect();
        Order { timeline, archived, ..placed_order().order }
    }

    #[test]
    fn the_newest_fifty_entries_stay_with_the_order() {
        let short = order(50, ArchivedTimeline::default());
        assert_eq!(short.archive_timeline(), (Cow::Borrowed(&short), Vec::new()));
        for (entries, parts, recent) in [(51, 1, 1), (91, 1, 41), (100, 1, 50), (101, 2, 1)] {
            let long = order(entries, ArchivedTimeline::default());
            let (stored, archived) = long.archive_timeline();
            assert_eq!((archived.len(), stored.timeline.len()), (parts, recent), "{entries}");
            assert!(archived.iter().all(|part| part.entries.len() == 50));
            assert!(long.timeline.iter().all(|entry| stored.has_recorded(entry.id)));
            let mut restored = stored.into_owned();
            archived.into_iter().for_each(|part| restored.restore(part));
            restored.timeline.rotate_left(recent);
            assert_eq!(restored.timeline, long.timeline);
        }
    }

    #[test]
    fn parts_are_numbered_and_restored_once() {
        let short = order(60, ArchivedTimeline::default());
        let (first, parts) = short.archive_timeline();
        assert_eq!(parts[0].number, 1);
        let mut read_before = order(60, ArchivedTimeline::default());
        read_before.restore(parts[0].clone());
        assert_eq!(read_before.timeline.len(), 60, "the part is in the timeline already");
        let longer = order(60, first.archived.clone());
        let (second, parts) = longer.archive_timeline();
        assert_eq!(
            (parts[0].number, second.archived.parts, second.archived.ids.len()),
            (2, 2, 100)
        );
    }

    #[test]
    fn archived_ids_are_stored_as_bytes() {
        let archived = order(60, ArchivedTimeline::default()).archive_timeline().0.archived.clone();
        let mut stored = serde_json::to_value(&archived).unwrap();
        assert_eq!(stored["ids"].as_array().unwrap().len(), 50 * 16);
        assert_eq!(serde_json::from_value::<ArchivedTimeline>(stored.clone()).unwrap(), archived);
        stored["ids"].as_array_mut().unwrap().pop();
        assert!(serde_json::from_value::<ArchivedTimeline>(stored).is_err());
    }

    fn entry(name: &str, millis: i64, cause: Option<&str>) -> TimelineEntry {
        TimelineEntry {
            id: EventId::derive(&[name.as_bytes()]),
            kind: name.to_owned(),
            source: "rialto.test".to_owned(),
            time: Timestamp::from_millis(millis),
            causationid: cause.map(|cause| EventId::derive(&[cause.as_bytes()])),
            traceparent: None,
            data: Value::Null,
        }
    }

    fn names(entries: &[TimelineEntry]) -> Vec<&str> {
        in_causal_order(entries).into_iter().map(|entry| entry.kind.as_str()).collect()
    }

    #[test]
    fn causes_come_before_effects_despite_clock_skew() {
        let entries = [
            entry("confirmed", 4, Some("captured")),
            entry("captured", 1, Some("reserved")),
            entry("reserved", 2, Some("placed")),
            entry("placed", 3, None),
        ];
        assert_eq!(names(&entries), ["placed", "reserved", "captured", "confirmed"]);
    }

    #[test]
    fn unrelated_events_are_sorted_by_time() {
        let entries =
            [entry("b", 2, None), entry("a", 1, Some("elsewhere")), entry("c", 3, Some("b"))];
        assert_eq!(names(&entries), ["a", "b", "c"]);
    }
}
