//! Rebuilds the events that an order has emitted from its timeline, in case they were lost after
//! publication.

use super::{line::MAX_LINES_WITH_PARTS, order::Order, timeline::TimelineEntry};
use rialto_contracts::{
    Event, EventContext, Payload,
    orders::{
        OrderCancelled, OrderCompleted, OrderConfirmed, OrderLineAccepted, OrderLineCancelRefused,
        OrderLineCancelRequested, OrderLineCancelled, OrderLineRejected, OrderLineReturnDeclined,
        OrderLineReturnRequested, OrderLineReturned, OrderLineSplit, OrderPlaced, Orders,
    },
};

/// The position of the last event of a write: one for each line, and one for the order.
#[expect(clippy::cast_possible_truncation, reason = "40")]
const MAX_EVENT_INDEX: u8 = MAX_LINES_WITH_PARTS as u8;

/// The timeline has an event that this release can't rebuild.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event of another release: {0}")]
pub struct UnknownEvent(String);

impl Order {
    /// Returns every event that the order has emitted, unchanged.
    ///
    /// # Errors
    /// [`UnknownEvent`] if the timeline has an event of another release.
    pub fn rebuild_events(&self) -> Result<Vec<Event>, UnknownEvent> {
        let own = self.timeline.iter().filter(|entry| entry.source == Orders::NAME);
        // Most events are of a version soon after that of the event before them.
        let mut from = 1;
        own.map(|entry| {
            let event = match entry.kind.as_str() {
                OrderPlaced::TYPE => self.rebuild::<OrderPlaced>(entry, from),
                OrderConfirmed::TYPE => self.rebuild::<OrderConfirmed>(entry, from),
                OrderCancelled::TYPE => self.rebuild::<OrderCancelled>(entry, from),
                OrderCompleted::TYPE => self.rebuild::<OrderCompleted>(entry, from),
                OrderLineAccepted::TYPE => self.rebuild::<OrderLineAccepted>(entry, from),
                OrderLineRejected::TYPE => self.rebuild::<OrderLineRejected>(entry, from),
                OrderLineCancelRequested::TYPE => {
                    self.rebuild::<OrderLineCancelRequested>(entry, from)
                }
                OrderLineCancelRefused::TYPE => self.rebuild::<OrderLineCancelRefused>(entry, from),
                OrderLineCancelled::TYPE => self.rebuild::<OrderLineCancelled>(entry, from),
                OrderLineReturnRequested::TYPE => {
                    self.rebuild::<OrderLineReturnRequested>(entry, from)
                }
                OrderLineReturned::TYPE => self.rebuild::<OrderLineReturned>(entry, from),
                OrderLineReturnDeclined::TYPE => {
                    self.rebuild::<OrderLineReturnDeclined>(entry, from)
                }
                OrderLineSplit::TYPE => self.rebuild::<OrderLineSplit>(entry, from),
                _ => None,
            };
            let unknown = || UnknownEvent(format!("{} {}", entry.kind, entry.id));
            event.inspect(|event| from = event.sequence).ok_or_else(unknown)
        })
        .collect()
    }

    fn rebuild<P: Payload>(&self, entry: &TimelineEntry, from: u64) -> Option<Event> {
        let payload = P::deserialize(&entry.data).ok()?;
        let cause = EventContext {
            correlationid: Some(self.order_id.to_string()),
            causationid: entry.causationid,
            traceparent: entry.traceparent.clone(),
        };
        // An event's id is derived from the order's version and the event's position in the write,
        // which the timeline doesn't hold.
        let event = (from..=self.version)
            .chain(1..from)
            .flat_map(|version| (0..=MAX_EVENT_INDEX).map(move |index| (version, index)))
            .map(|(version, index)| Event::new(&payload, version, index, entry.time, &cause))
            .find(|event| event.id == entry.id)?;
        Some(Event { data: entry.data.clone(), ..event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::order::{OrderUpdate, Transition},
        fixtures::placed_order,
    };
    use rialto_contracts::{
        inventory::StockRejected, orders::CancelReason, payments::PaymentCaptured,
    };
    use rialto_kernel::{PaymentId, Timestamp};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// Applies an event that another service published at `seconds`.
    fn apply<P: Payload>(
        order: &Order,
        payload: &P,
        transition: Transition,
        seconds: i64,
    ) -> OrderUpdate {
        let event = Event::new(payload, 1, 0, at(seconds), &EventContext::default());
        let cause = EventContext {
            correlationid: Some(order.order_id.to_string()),
            causationid: Some(event.id),
            traceparent: Some("00-1-2-01".to_owned()),
        };
        order.apply(&event, transition, at(seconds + 1), &cause).unwrap()
    }

    #[test]
    fn emitted_events_are_rebuilt_unchanged() {
        let placed = placed_order();
        let order = &placed.order;
        let captured = PaymentCaptured {
            order_id: order.order_id,
            payment_id: PaymentId::derive(&[b"p"]),
            amount: order.total,
        };
        let rejected = StockRejected { order_id: order.order_id, shortages: Vec::new() };
        let recorded = apply(order, &rejected, Transition::RecordOnly, 2).order;
        let marked = recorded.erase_buyer_data().unwrap().order;
        for last in [
            apply(&marked, &captured, Transition::Confirm, 4),
            apply(&marked, &captured, Transition::Cancel(CancelReason::PaymentFailed), 4),
            marked.cancel(CancelReason::Buyer, at(5), &EventContext::default()).unwrap(),
        ] {
            let late = apply(&last.order, &rejected, Transition::RecordOnly, 9).order;
            let emitted = [placed.events.clone(), last.events].concat();
            assert_eq!(late.rebuild_events().unwrap(), emitted);
            assert_eq!(emitted.len(), 2);
        }
    }

    #[test]
    fn events_of_another_release_are_not_rebuilt() {
        let mut order = placed_order().order;
        order.timeline[0].kind = "OrderPraised".to_owned();
        let error = order.rebuild_events().unwrap_err().to_string();
        assert!(error.contains("OrderPraised evt_"), "{error}");
    }
}
