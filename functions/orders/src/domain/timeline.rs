//! The events of an order's saga, in causal order.

use rialto_contracts::{Event, orders::Orders};
use rialto_kernel::{EventId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// Sorts the entries topologically, each cause before its effects, and unrelated ones by time.
#[must_use]
pub fn in_causal_order(entries: &[TimelineEntry]) -> Vec<&TimelineEntry> {
    let mut remaining: Vec<&TimelineEntry> = entries.iter().collect();
    remaining.sort_by_key(|entry| (entry.time, entry.id));
    let mut ordered: Vec<&TimelineEntry> = Vec::with_capacity(remaining.len());
    while !remaining.is_empty() {
        // Emit an event once its cause has been emitted or is absent. Causation ids are acyclic; if
        // they weren't, the oldest event would be emitted.
        let is_next = |entry: &&TimelineEntry| {
            entry.causationid.is_none_or(|cause| remaining.iter().all(|other| other.id != cause))
        };
        let next = remaining.iter().position(is_next).unwrap_or(0);
        ordered.push(remaining.remove(next));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

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
