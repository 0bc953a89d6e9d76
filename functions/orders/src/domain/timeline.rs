//! Every event of an order's saga, in causal order.

use rialto_contracts::{Event, orders::Orders};
use rialto_kernel::{EventId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event of the saga, this service's own or another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    pub id: EventId,
    #[serde(rename = "type")]
    pub kind: String,
    pub source: String,
    pub time: Timestamp,
    /// The event that led to this one.
    pub causationid: Option<EventId>,
    /// Where in which trace orders announced it, so that it can be announced again as it was; none of other services' events.
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

/// The entries with each cause before its effects, and by time where neither caused the other.
#[must_use]
pub fn in_causal_order(entries: &[TimelineEntry]) -> Vec<&TimelineEntry> {
    let mut left: Vec<&TimelineEntry> = entries.iter().collect();
    left.sort_by_key(|entry| (entry.time, entry.id));
    let mut ordered: Vec<&TimelineEntry> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        // An event whose cause isn't here, or is told already, can be told. Ids make no circles; if they did, time
        // alone would decide.
        let free = |entry: &&TimelineEntry| {
            entry.causationid.is_none_or(|cause| left.iter().all(|other| other.id != cause))
        };
        let next = left.iter().position(free).unwrap_or(0);
        ordered.push(left.remove(next));
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
    fn a_cause_comes_before_its_effect_whatever_the_clocks_say() {
        let entries = [
            entry("confirmed", 4, Some("captured")),
            entry("captured", 1, Some("reserved")),
            entry("reserved", 2, Some("placed")),
            entry("placed", 3, None),
        ];
        assert_eq!(names(&entries), ["placed", "reserved", "captured", "confirmed"]);
    }

    #[test]
    fn unrelated_events_are_told_by_time() {
        let entries =
            [entry("b", 2, None), entry("a", 1, Some("elsewhere")), entry("c", 3, Some("b"))];
        assert_eq!(names(&entries), ["a", "b", "c"]);
    }
}
