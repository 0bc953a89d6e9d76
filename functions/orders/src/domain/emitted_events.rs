//! What orders announced of an order, made again from its timeline: for when it was lost after it was published.

use super::{order::Order, timeline::TimelineEntry};
use rialto_contracts::{
    Event, EventContext, Payload,
    orders::{OrderCancelled, OrderConfirmed, OrderPlaced, Orders},
};

/// An event that this release can't make again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no event of this release: {0}")]
pub struct UnknownEvent(String);

impl Order {
    /// Every event that orders ever announced of it, as it was.
    ///
    /// # Errors
    /// [`UnknownEvent`] when there is one of another release.
    pub fn rebuild_events(&self) -> Result<Vec<Event>, UnknownEvent> {
        let own = self.timeline.iter().filter(|entry| entry.source == Orders::NAME);
        own.map(|entry| {
            let event = match entry.kind.as_str() {
                OrderPlaced::TYPE => self.again::<OrderPlaced>(entry),
                OrderConfirmed::TYPE => self.again::<OrderConfirmed>(entry),
                OrderCancelled::TYPE => self.again::<OrderCancelled>(entry),
                _ => None,
            };
            event.ok_or_else(|| UnknownEvent(format!("{} {}", entry.kind, entry.id)))
        })
        .collect()
    }

    fn again<P: Payload>(&self, entry: &TimelineEntry) -> Option<Event> {
        let payload = P::deserialize(&entry.data).ok()?;
        let cause = EventContext {
            correlationid: Some(self.order_id.to_string()),
            causationid: entry.causationid,
            traceparent: entry.traceparent.clone(),
        };
        // The timeline doesn't tell the version that was written with it; the id is derived from it.
        let event = (1..=self.version)
            .map(|version| Event::new(&payload, version, 0, entry.time, &cause))
            .find(|event| event.id == entry.id)?;
        Some(Event { data: entry.data.clone(), ..event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::order::{OrderUpdate, Transition},
        testing,
    };
    use rialto_contracts::{
        inventory::StockRejected, orders::CancelReason, payments::PaymentCaptured,
    };
    use rialto_kernel::{PaymentId, Timestamp};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// What came of hearing an event that another service announced then.
    fn heard<P: Payload>(
        order: &Order,
        payload: &P,
        effect: Transition,
        seconds: i64,
    ) -> OrderUpdate {
        let event = Event::new(payload, 1, 0, at(seconds), &EventContext::default());
        let cause = EventContext {
            correlationid: Some(order.order_id.to_string()),
            causationid: Some(event.id),
            traceparent: Some("00-1-2-01".to_owned()),
        };
        order.apply(&event, effect, at(seconds + 1), &cause).unwrap()
    }

    #[test]
    fn every_event_that_was_announced_is_made_again_as_it_was() {
        let placed = testing::order();
        let order = &placed.order;
        let captured = PaymentCaptured {
            order_id: order.order_id,
            payment_id: PaymentId::derive(&[b"p"]),
            amount: order.total,
        };
        let rejected = StockRejected { order_id: order.order_id, shortages: Vec::new() };
        let told = heard(order, &rejected, Transition::RecordOnly, 2).order;
        let forgotten = told.erase_buyer_data().unwrap().order;
        for last in [
            heard(&forgotten, &captured, Transition::Confirm, 4),
            heard(&forgotten, &captured, Transition::Cancel(CancelReason::PaymentFailed), 4),
            forgotten.cancel(CancelReason::Buyer, at(5), &EventContext::default()).unwrap(),
        ] {
            let late = heard(&last.order, &rejected, Transition::RecordOnly, 9).order;
            let announced = [placed.events.clone(), last.events].concat();
            assert_eq!(late.rebuild_events().unwrap(), announced);
            assert_eq!(announced.len(), 2);
        }
    }

    #[test]
    fn what_this_release_does_not_know_is_refused() {
        let mut order = testing::order().order;
        order.timeline[0].kind = "OrderPraised".to_owned();
        let refused = order.rebuild_events().unwrap_err().to_string();
        assert!(refused.contains("OrderPraised evt_"), "{refused}");
    }
}
