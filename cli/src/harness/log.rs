//! The events that were received, by the order that they are about, and what can be asserted on
//! them.

use crate::subscription::{PROBE_SOURCE, ReceivedEvent};
use rialto_contracts::Event;
use rialto_kernel::EventId;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The events of a run. Events are distinguished by their ids.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    orders: HashMap<String, OrderEvents>,
    probes: HashSet<String>,
    /// Whether `new` is filled: from the first call that takes from it.
    keeps_new: bool,
    /// Events that [`EventLog::take_new`] hasn't returned.
    new: Vec<Event>,
    received: usize,
    /// When an event was last received.
    last: Option<Instant>,
    /// Messages that aren't events, in words.
    unreadable: Vec<String>,
}

/// The events of one order, as they were received.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderEvents {
    events: Vec<Event>,
    /// When each of them was first received.
    received: Vec<Instant>,
    /// How many times an event was received, duplicates included.
    deliveries: usize,
    /// When the last of them was.
    last: Option<Instant>,
}

impl EventLog {
    pub(crate) fn add(&self, received: Result<ReceivedEvent, String>) {
        let mut inner = self.lock();
        let received = match received {
            Ok(received) => received,
            Err(error) => return inner.unreadable.push(error),
        };
        if received.source == PROBE_SOURCE {
            inner.probes.extend(received.detail["run"].as_str().map(str::to_owned));
            return;
        }
        match received.event() {
            Ok(event) => {
                inner.last = Some(Instant::now());
                let order = inner.orders.entry(event.correlationid.clone()).or_default();
                if order.add(event.clone()) {
                    inner.received += 1;
                    if inner.keeps_new {
                        inner.new.push(event);
                    }
                }
            }
            Err(error) => inner.unreadable.push(format!("{}: {error}", received.detail_type)),
        }
    }

    /// Whether the probe of this run was received.
    pub(crate) fn has_probe(&self, run: &str) -> bool {
        self.lock().probes.contains(run)
    }

    /// The events of this order so far.
    pub(crate) fn of(&self, order: &str) -> OrderEvents {
        self.lock().orders.get(order).cloned().unwrap_or_default()
    }

    /// The events that are new since the last call; none at the first.
    pub(crate) fn take_new(&self) -> Vec<Event> {
        let mut inner = self.lock();
        inner.keeps_new = true;
        std::mem::take(&mut inner.new)
    }

    /// How many events were received.
    pub(crate) fn received(&self) -> usize {
        self.lock().received
    }

    /// When an event was last received, duplicates included.
    pub(crate) fn last_received(&self) -> Option<Instant> {
        self.lock().last
    }

    /// Messages on the bus that aren't events.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        self.lock().unreadable.clone()
    }

    /// Forgets these orders.
    pub(crate) fn remove(&self, orders: &[String]) {
        let mut inner = self.lock();
        for order in orders {
            inner.orders.remove(order);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half done when a holder panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OrderEvents {
    /// Whether the event is new.
    fn add(&mut self, event: Event) -> bool {
        let is_new = !self.events.iter().any(|known| known.id == event.id);
        let now = Instant::now();
        if is_new {
            self.events.push(event);
            self.received.push(now);
        }
        self.deliveries += 1;
        self.last = Some(now);
        is_new
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event.kind == kind).count()
    }

    /// How many times an event was received, duplicates included.
    pub(crate) const fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// When the first event of this type was received.
    pub(crate) fn first(&self, kind: &str) -> Option<Instant> {
        let mut received = self.events.iter().zip(&self.received);
        received.find(|(event, _)| event.kind == kind).map(|(_, at)| *at)
    }

    /// Whether no event was received for this long.
    pub(crate) fn is_quiet_for(&self, quiet: Duration, now: Instant) -> bool {
        self.last.is_some_and(|last| now.duration_since(last) >= quiet)
    }

    /// Whether every event `later` was caused by an event `earlier`, directly or through others.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(crate) fn check_after(&self, later: &str, earlier: &str) -> Result<(), String> {
        let by_id: BTreeMap<EventId, &Event> =
            self.events.iter().map(|event| (event.id, event)).collect();
        let effects: Vec<&Event> = self.events.iter().filter(|event| event.kind == later).collect();
        if effects.is_empty() {
            return Err(format!("{later} wasn't received"));
        }
        for effect in effects {
            let mut chain = vec![effect.kind.as_str()];
            let mut cause = effect.causationid;
            // A chain is never longer than the events; a cycle ends with that.
            while let Some(event) =
                cause.and_then(|id| by_id.get(&id)).filter(|_| chain.len() <= by_id.len())
            {
                chain.push(&event.kind);
                if event.kind == earlier {
                    break;
                }
                cause = event.causationid;
            }
            if chain.last() != Some(&earlier) || chain.len() == 1 {
                return Err(format!(
                    "{later} wasn't caused by {earlier}; its causes are {}",
                    if chain.len() == 1 { "unknown".to_owned() } else { chain[1..].join(" ← ") }
                ));
            }
        }
        Ok(())
    }

    /// The events as a line, such as `OrderPlaced, 2 × StockReserved`.
    pub(crate) fn summary(&self) -> String {
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for event in &self.events {
            match kinds.iter_mut().find(|(kind, _)| *kind == event.kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((&event.kind, 1)),
            }
        }
        let one = |(kind, count): &(&str, usize)| match count {
            1 => (*kind).to_owned(),
            _ => format!("{count} × {kind}"),
        };
        if kinds.is_empty() {
            "none".to_owned()
        } else {
            kinds.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::Timestamp;
    use serde_json::json;

    const ORDER: &str = "ord_1";

    fn event(number: u64, kind: &str, cause: Option<u64>) -> Event {
        Event {
            specversion: "1.0".to_owned(),
            id: id(number),
            source: "rialto.orders".to_owned(),
            kind: kind.to_owned(),
            time: Timestamp::from_millis(0),
            subject: ORDER.to_owned(),
            dataschema: String::new(),
            sequence: number,
            correlationid: ORDER.to_owned(),
            causationid: cause.map(id),
            traceparent: None,
            data: json!({}),
        }
    }

    fn id(number: u64) -> EventId {
        EventId::derive_at(Timestamp::from_millis(0), &[&number.to_be_bytes()])
    }

    fn received(event: &Event) -> Result<ReceivedEvent, String> {
        Ok(ReceivedEvent {
            source: event.source.clone(),
            detail_type: event.kind.clone(),
            detail: json!(event),
        })
    }

    fn log(events: &[Event]) -> OrderEvents {
        let log = EventLog::default();
        events.iter().for_each(|event| log.add(received(event)));
        log.of(ORDER)
    }

    #[test]
    fn events_delivered_twice_count_once() {
        let placed = event(1, "OrderPlaced", None);
        let order = log(&[placed.clone(), placed, event(2, "OrderPlaced", None)]);
        assert_eq!(order.count("OrderPlaced"), 2);
        assert_eq!(order.count("OrderConfirmed"), 0);
        assert_eq!((order.summary().as_str(), order.deliveries()), ("2 × OrderPlaced", 3));
    }

    #[test]
    fn new_events_are_taken_once() {
        let log = EventLog::default();
        let placed = event(1, "OrderPlaced", None);
        log.add(received(&placed));
        assert_eq!(log.take_new(), []);
        let reserved = event(2, "StockReserved", None);
        for event in [&reserved, &placed, &reserved] {
            log.add(received(event));
        }
        assert_eq!(log.take_new(), [reserved]);
        assert_eq!(log.take_new(), []);
        assert_eq!(log.received(), 2);
    }

    #[test]
    fn events_of_other_orders_are_left_out() {
        let other = Event { correlationid: "ord_2".to_owned(), ..event(1, "OrderPlaced", None) };
        assert_eq!(log(&[other]).summary(), "none");
    }

    #[test]
    fn causes_are_found_through_other_events() {
        // Received out of order.
        let order = log(&[
            event(3, "OrderConfirmed", Some(2)),
            event(1, "OrderPlaced", None),
            event(2, "PaymentCaptured", Some(1)),
        ]);
        assert_eq!(order.check_after("OrderConfirmed", "PaymentCaptured"), Ok(()));
        assert_eq!(order.check_after("OrderConfirmed", "OrderPlaced"), Ok(()));
        let wrong = order.check_after("PaymentCaptured", "OrderConfirmed").unwrap_err();
        assert_eq!(
            wrong,
            "PaymentCaptured wasn't caused by OrderConfirmed; its causes are OrderPlaced"
        );
        assert!(order.check_after("OrderPlaced", "OrderPlaced").is_err());
        assert!(order.check_after("OrderCancelled", "OrderPlaced").is_err());
    }

    #[test]
    fn every_effect_needs_the_cause() {
        let order = log(&[
            event(1, "OrderPlaced", None),
            event(2, "StockReserved", Some(1)),
            event(3, "StockReserved", None),
        ]);
        assert!(order.check_after("StockReserved", "OrderPlaced").is_err());
    }

    #[test]
    fn cycles_of_causes_end() {
        let order = log(&[event(1, "A", Some(2)), event(2, "B", Some(1))]);
        assert!(order.check_after("A", "C").is_err());
    }

    #[test]
    fn orders_are_quiet_a_while_after_their_last_event() {
        let now = Instant::now();
        assert!(!OrderEvents::default().is_quiet_for(Duration::ZERO, now));
        let order = log(&[event(1, "OrderPlaced", None)]);
        let quiet = Duration::from_secs(2);
        let last = order.last.unwrap();
        assert!(!order.is_quiet_for(quiet, last + Duration::from_secs(1)));
        assert!(order.is_quiet_for(quiet, last + quiet));
    }

    #[test]
    fn probes_and_other_messages_are_not_events() {
        let log = EventLog::default();
        log.add(Ok(ReceivedEvent {
            source: PROBE_SOURCE.to_owned(),
            detail_type: "Probe".to_owned(),
            detail: json!({"run": "a"}),
        }));
        log.add(Err("not JSON".to_owned()));
        assert!(log.has_probe("a") && !log.has_probe("b"));
        assert_eq!(log.unreadable(), ["not JSON"]);
    }
}
