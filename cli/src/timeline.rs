//! Printing an order's timeline as lines of text.

use rialto_kernel::Timestamp;
use serde::Deserialize;
use std::collections::HashSet;

/// One event of a timeline, as the API returns it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TimelineRow {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    time: Timestamp,
}

impl TimelineRow {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }
}

/// The order's status.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderStatus {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
}

impl OrderStatus {
    /// Whether the saga has ended, apart from its follow-up events.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled_by().is_some()
    }

    /// The type of event that led to this state.
    fn settled_by(&self) -> Option<&'static str> {
        match self.state.as_str() {
            "CONFIRMED" => Some("OrderConfirmed"),
            "CANCELLED" => Some("OrderCancelled"),
            "COMPLETED" => Some("OrderCompleted"),
            _ => None,
        }
    }
}

/// Prints each entry of a timeline once.
#[derive(Debug, Default)]
pub(crate) struct TimelinePrinter {
    printed: HashSet<String>,
    placed_at: Option<Timestamp>,
    previous: Option<Timestamp>,
    /// The time of the last event of each type.
    settled: Vec<(String, Timestamp)>,
}

impl TimelinePrinter {
    pub(crate) const HEADING: &'static str =
        "since placed  since last  event                     from";

    pub(crate) fn is_empty(&self) -> bool {
        self.printed.is_empty()
    }

    /// Prints a line for each new entry, in the API's order: causes before effects.
    pub(crate) fn print(&mut self, entries: &[TimelineRow]) -> Vec<String> {
        let placed = entries.iter().find(|entry| entry.kind == "OrderPlaced").or(entries.first());
        self.placed_at = self.placed_at.or(placed.map(|entry| entry.time));
        entries.iter().filter_map(|entry| self.print_row(entry)).collect()
    }

    fn print_row(&mut self, entry: &TimelineRow) -> Option<String> {
        if !self.printed.insert(entry.id.clone()) {
            return None;
        }
        let since = |earlier: Option<Timestamp>| {
            earlier.map_or_else(String::new, |at| elapsed(at, entry.time))
        };
        let line = format!(
            "{:<14}{:<12}{:<26}{}",
            since(self.placed_at),
            since(self.previous),
            entry.kind,
            entry.source
        );
        self.previous = Some(entry.time);
        self.settled.push((entry.kind.clone(), entry.time));
        Some(line)
    }

    /// The status in words, such as `CONFIRMED after 212 ms`.
    pub(crate) fn summary_line(&self, standing: &OrderStatus) -> String {
        let reason =
            standing.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let settled = standing.settled_by().and_then(|kind| {
            self.settled.iter().rev().find(|(settled, _)| settled == kind).map(|(_, at)| *at)
        });
        match self.placed_at.zip(settled) {
            Some((placed, at)) => {
                format!("{}{reason} after {} ms", standing.state, at.since(placed).as_millis())
            }
            None => format!("{}{reason}", standing.state),
        }
    }
}

/// `+84 ms`; negative if the services' clocks differ.
fn elapsed(from: Timestamp, to: Timestamp) -> String {
    format!("{:+} ms", to.millis().saturating_sub(from.millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, kind: &str, source: &str, millis: i64) -> TimelineRow {
        TimelineRow {
            id: id.to_owned(),
            kind: kind.to_owned(),
            source: format!("rialto.{source}"),
            time: Timestamp::from_millis(1_763_700_000_000 + millis),
        }
    }

    fn saga() -> Vec<TimelineRow> {
        vec![
            entry("1", "OrderPlaced", "orders", 0),
            entry("2", "StockReserved", "inventory", 84),
            entry("3", "PaymentCaptured", "payments", 170),
            entry("4", "OrderConfirmed", "orders", 212),
        ]
    }

    fn standing(state: &str, reason: Option<&str>) -> OrderStatus {
        OrderStatus { state: state.to_owned(), reason: reason.map(str::to_owned) }
    }

    #[test]
    fn events_are_printed_with_milliseconds() {
        let mut timeline = TimelinePrinter::default();
        let lines = timeline.print(&saga());
        assert_eq!(
            [vec![TimelinePrinter::HEADING.to_owned()], lines].concat().join("\n"),
            "\
since placed  since last  event                     from
+0 ms                     OrderPlaced               rialto.orders
+84 ms        +84 ms      StockReserved             rialto.inventory
+170 ms       +86 ms      PaymentCaptured           rialto.payments
+212 ms       +42 ms      OrderConfirmed            rialto.orders"
        );
        assert_eq!(timeline.summary_line(&standing("CONFIRMED", None)), "CONFIRMED after 212 ms");
    }

    #[test]
    fn events_are_printed_once() {
        let mut timeline = TimelinePrinter::default();
        let saga = saga();
        assert_eq!(timeline.print(&saga[..1]).len(), 1);
        assert_eq!(timeline.print(&saga[..1]).len(), 0);
        let lines = timeline.print(&saga[..3]);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("+170 ms       +86 ms "), "{lines:?}");
    }

    #[test]
    fn earlier_times_are_printed_with_a_minus() {
        let mut timeline = TimelinePrinter::default();
        timeline.print(&saga());
        let line = timeline.print(&[entry("5", "StockReleased", "inventory", 200)]);
        assert!(line[0].starts_with("+200 ms       -12 ms "), "{line:?}");
    }

    #[test]
    fn summaries_show_the_reason() {
        let mut timeline = TimelinePrinter::default();
        timeline.print(&[
            entry("1", "OrderPlaced", "orders", 0),
            entry("2", "OrderCancelled", "orders", 90),
        ]);
        let cancelled = standing("CANCELLED", Some("PAYMENT_FAILED"));
        assert_eq!(timeline.summary_line(&cancelled), "CANCELLED (PAYMENT_FAILED) after 90 ms");
        assert_eq!(timeline.summary_line(&standing("PENDING", None)), "PENDING");
        assert_eq!(
            TimelinePrinter::default().summary_line(&standing("CONFIRMED", None)),
            "CONFIRMED"
        );
    }

    #[test]
    fn only_pending_orders_are_unsettled() {
        assert!(!standing("PENDING", None).is_settled());
        for state in ["CONFIRMED", "CANCELLED", "COMPLETED"] {
            assert!(standing(state, None).is_settled(), "{state}");
        }
    }

    #[test]
    fn entries_are_parsed_from_the_api_response() {
        let entry: TimelineRow = serde_json::from_str(
            r#"{"id":"evt_1","type":"OrderPlaced","source":"rialto.orders","time":"2026-11-21T09:30:00.125Z",
                "causationid":null,"data":{"order_id":"ord_1"}}"#,
        )
        .unwrap();
        assert_eq!(
            (entry.kind.as_str(), entry.time.to_string().as_str()),
            ("OrderPlaced", "2026-11-21T09:30:00.125Z")
        );
    }
}
