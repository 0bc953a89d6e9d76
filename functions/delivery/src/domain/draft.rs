//! A delivery's next version while a write is prepared.

use super::delivery::{
    DeliveryDeadlines, DeliveryRecord, DeliveryState, DeliveryUpdate, DeliveryWrite,
    IllegalDeliveryTransition, LineDelivery, Shipment, delivery_id,
};
use rialto_contracts::{
    Event, EventContext, Payload,
    delivery::{
        DeliveryCompleted, DeliveryHeld, DeliveryNotHeld, DeliveryPrepared, DeliveryStarted,
        ReceiptConfirmed,
    },
    orders::{LineCopy, LineSplit, OrderLineState},
};
use rialto_kernel::{EventId, PlantedBug, Quantity, Timestamp};
use std::collections::BTreeSet;

/// Time and context of a write.
#[derive(Debug, Clone)]
pub struct WriteContext {
    pub now: Timestamp,
    pub cause: EventContext,
}

/// A delivery's next version and the events to publish with it.
#[derive(Debug, Clone)]
pub struct DeliveryDraft {
    delivery: LineDelivery,
    /// It differs from what is stored, or has events.
    changed: bool,
    events: Vec<Event>,
}

/// An event of a delivery, with fields of its own from variables of their names.
macro_rules! event_of {
    ($delivery:expr, $event:ident { $($field:ident),* }) => {{
        let delivery = &$delivery;
        $event {
            delivery_id: delivery.delivery_id,
            order_id: delivery.order_id,
            line_no: delivery.line_no,
            root: delivery.root,
            user_id: delivery.user_id,
            seller_id: delivery.seller_id,
            product_id: delivery.product_id,
            quantity: delivery.quantity,
            $($field,)*
        }
    }};
}

impl DeliveryDraft {
    /// The next version of a stored delivery.
    #[must_use]
    pub fn of(delivery: LineDelivery) -> Self {
        let delivery = LineDelivery { version: delivery.version + 1, ..delivery };
        Self { delivery, changed: false, events: Vec::new() }
    }

    /// A delivery that isn't stored yet.
    #[must_use]
    pub const fn new(delivery: LineDelivery) -> Self {
        Self { delivery, changed: true, events: Vec::new() }
    }

    #[must_use]
    pub const fn delivery(&self) -> &LineDelivery {
        &self.delivery
    }

    #[must_use]
    pub const fn is_changed(&self) -> bool {
        self.changed
    }

    /// The write, if there is something to write.
    #[must_use]
    pub fn into_write(self) -> Option<DeliveryWrite> {
        self.changed.then_some(DeliveryWrite {
            record: DeliveryRecord::Prepared(self.delivery),
            events: self.events,
        })
    }

    fn publish(&mut self, payload: &impl Payload, write: &WriteContext) {
        // An order's line has few events in one write.
        let index = u8::try_from(self.events.len()).unwrap_or(u8::MAX);
        let cause = EventContext {
            correlationid: Some(self.delivery.order_id.to_string()),
            ..write.cause.clone()
        };
        self.events.push(Event::new(payload, self.delivery.version, index, write.now, &cause));
        self.changed = true;
    }

    fn set_state(&mut self, state: DeliveryState) {
        self.delivery.state = state;
        self.changed = true;
    }

    /// The line's acceptance has arrived.
    pub(super) fn accept(&mut self) {
        self.changed |= !self.delivery.accepted;
        self.delivery.accepted = true;
    }

    /// Publishes that the delivery was prepared, unless it was cancelled before that and was never
    /// held.
    pub(super) fn publish_prepared(&mut self, write: &WriteContext) {
        if self.delivery.state != DeliveryState::Cancelled || !self.events.is_empty() {
            let prepared = event_of!(self.delivery, DeliveryPrepared {});
            self.publish(&prepared, write);
            // It comes first: the others respond to what arrived before.
            self.events.rotate_right(1);
        }
    }

    /// Responds once to a requested cancellation: what hasn't started is held and can't start any
    /// more.
    pub(super) fn respond_to_cancel_request(&mut self, request: EventId, write: &WriteContext) {
        if !self.delivery.answered_requests.insert(request)
            && !PlantedBug::CancelRequestAnsweredTwice.is_planted()
        {
            return;
        }
        if self.delivery.state.has_started() {
            let not_held = event_of!(self.delivery, DeliveryNotHeld {});
            return self.publish(&not_held, write);
        }
        if self.delivery.state == DeliveryState::Prepared {
            self.set_state(DeliveryState::Held);
        }
        let held = event_of!(self.delivery, DeliveryHeld {});
        self.publish(&held, write);
    }

    /// Cancels what hasn't started.
    pub fn cancel(&mut self) {
        if matches!(self.delivery.state, DeliveryState::Prepared | DeliveryState::Held) {
            self.set_state(DeliveryState::Cancelled);
        }
    }

    /// From PREPARED to DELIVERING, if the line is accepted. The same shipment again changes
    /// nothing.
    ///
    /// # Errors
    /// [`IllegalDeliveryTransition`] in another state, or if the line isn't accepted yet.
    pub fn start(
        &mut self,
        shipment: Shipment,
        deadlines: &DeliveryDeadlines,
        write: &WriteContext,
    ) -> Result<(), IllegalDeliveryTransition> {
        let state = self.delivery.state;
        if state == DeliveryState::Delivering && self.is_sent_by(&shipment) {
            return Ok(());
        }
        let accepted = self.delivery.accepted || PlantedBug::UnacceptedDeliveryStarted.is_planted();
        let starts = state == DeliveryState::Prepared
            || (state == DeliveryState::Held && PlantedBug::HeldDeliveryStarted.is_planted());
        if !starts || !accepted {
            return Err(IllegalDeliveryTransition(state));
        }
        self.set_state(DeliveryState::Delivering);
        self.delivery.shipment = Some(shipment);
        self.delivery.due_at = Some(write.now.plus(deadlines.delivery));
        self.publish_started(write);
        Ok(())
    }

    fn is_sent_by(&self, shipment: &Shipment) -> bool {
        let of = |shipment: &Shipment| {
            (shipment.parcel_id, shipment.carrier.clone(), shipment.tracking_number.clone())
        };
        self.delivery.shipment.as_ref().is_some_and(|known| of(known) == of(shipment))
    }

    /// From DELIVERING to DELIVERED. One that is DELIVERED stays as it is.
    ///
    /// # Errors
    /// [`IllegalDeliveryTransition`] in another state.
    pub fn complete(
        &mut self,
        deadlines: &DeliveryDeadlines,
        write: &WriteContext,
    ) -> Result<(), IllegalDeliveryTransition> {
        match self.delivery.state {
            DeliveryState::Delivered => return Ok(()),
            DeliveryState::Delivering => {}
            state => return Err(IllegalDeliveryTransition(state)),
        }
        self.set_state(DeliveryState::Delivered);
        self.delivery.delivered_at = Some(write.now);
        self.delivery.due_at = Some(write.now.plus(deadlines.receipt));
        self.publish_completed(write);
        Ok(())
    }

    /// From DELIVERED to CONFIRMED.
    ///
    /// # Errors
    /// [`IllegalDeliveryTransition`] in another state.
    pub fn confirm_receipt(
        &mut self,
        write: &WriteContext,
    ) -> Result<(), IllegalDeliveryTransition> {
        if self.delivery.state != DeliveryState::Delivered {
            return Err(IllegalDeliveryTransition(self.delivery.state));
        }
        self.set_state(DeliveryState::Confirmed);
        self.delivery.due_at = None;
        self.publish_receipt(write);
        Ok(())
    }

    /// Publishes for a part that has started what was published for the line that it was split
    /// off, from DeliveryStarted on.
    pub(super) fn publish_progress(&mut self, write: &WriteContext) {
        if PlantedBug::PartProgressNotPublished.is_planted() {
            return;
        }
        if self.delivery.state.has_started() {
            self.publish_started(write);
        }
        if matches!(self.delivery.state, DeliveryState::Delivered | DeliveryState::Confirmed) {
            self.publish_completed(write);
        }
        if self.delivery.state == DeliveryState::Confirmed {
            self.publish_receipt(write);
        }
    }

    fn publish_started(&mut self, write: &WriteContext) {
        let Some(shipment) = self.delivery.shipment.clone() else { return };
        let Shipment { parcel_id, carrier, tracking_number, started_at: _ } = shipment;
        let started =
            event_of!(self.delivery, DeliveryStarted { parcel_id, carrier, tracking_number });
        self.publish(&started, write);
    }

    fn publish_completed(&mut self, write: &WriteContext) {
        let Some(delivered_at) = self.delivery.delivered_at else { return };
        let completed = event_of!(self.delivery, DeliveryCompleted { delivered_at });
        self.publish(&completed, write);
    }

    fn publish_receipt(&mut self, write: &WriteContext) {
        let Some(delivered_at) = self.delivery.delivered_at else { return };
        let confirmed = event_of!(self.delivery, ReceiptConfirmed { delivered_at });
        self.publish(&confirmed, write);
    }
}

impl LineCopy for DeliveryDraft {
    fn line_no(&self) -> u32 {
        self.delivery.line_no
    }

    fn initial_quantity(&self) -> Quantity {
        self.delivery.initial_quantity
    }

    fn quantity(&self) -> Quantity {
        self.delivery.quantity
    }

    /// The part has the line's state, shipment and times. The lines of a split are accepted if they
    /// were when it was made; a split that was made before that leaves the part unaccepted.
    fn split(&mut self, split: &LineSplit, remaining: Quantity) -> Self {
        let accepted = split.state == OrderLineState::Accepted;
        self.delivery.quantity = remaining;
        self.delivery.accepted |= accepted;
        self.changed = true;
        Self::new(LineDelivery {
            delivery_id: delivery_id(self.delivery.order_id, split.line_no),
            line_no: split.line_no,
            initial_quantity: split.quantity,
            quantity: split.quantity,
            accepted,
            answered_requests: BTreeSet::new(),
            version: 1,
            ..self.delivery.clone()
        })
    }
}

impl FromIterator<DeliveryDraft> for DeliveryUpdate {
    fn from_iter<T: IntoIterator<Item = DeliveryDraft>>(drafts: T) -> Self {
        let deliveries = drafts.into_iter().filter_map(DeliveryDraft::into_write).collect();
        Self { deliveries, parcels: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{buyer, confirmed_order, deadlines, order_id, write_at};

    fn stored(state: DeliveryState, accepted: bool) -> LineDelivery {
        let order = confirmed_order(order_id(), &[3]);
        let prepared =
            LineDelivery::prepare(order_id(), buyer(), &order.lines[0], Timestamp::from_millis(0));
        LineDelivery {
            state,
            accepted,
            shipment: state.has_started().then(shipment),
            delivered_at: state.has_started().then_some(Timestamp::from_millis(5)),
            ..prepared
        }
    }

    fn shipment() -> Shipment {
        Shipment {
            parcel_id: None,
            carrier: "DHL".to_owned(),
            tracking_number: "1".to_owned(),
            started_at: write_at(1).now,
        }
    }

    const STATES: [DeliveryState; 6] = [
        DeliveryState::Prepared,
        DeliveryState::Held,
        DeliveryState::Delivering,
        DeliveryState::Delivered,
        DeliveryState::Confirmed,
        DeliveryState::Cancelled,
    ];

    /// The delivery after a write, and the types of its events.
    fn written(draft: DeliveryDraft) -> (LineDelivery, Vec<String>) {
        let write = draft.into_write().unwrap();
        let kinds = write.events.iter().map(|event| event.kind.clone()).collect();
        (write.record.into_delivery().unwrap(), kinds)
    }

    #[test]
    fn an_accepted_delivery_starts() {
        let mut draft = DeliveryDraft::of(stored(DeliveryState::Prepared, true));
        draft.start(shipment(), &deadlines(), &write_at(1)).unwrap();
        let (started, events) = written(draft);
        assert_eq!((started.state, started.version), (DeliveryState::Delivering, 2));
        assert_eq!(started.due_at, Some(write_at(3_001).now));
        assert_eq!((started.shipment, events), (Some(shipment()), vec!["DeliveryStarted".into()]));
    }

    #[test]
    fn a_delivery_does_not_start_before_its_acceptance() {
        let mut draft = DeliveryDraft::of(stored(DeliveryState::Prepared, false));
        let refused = draft.start(shipment(), &deadlines(), &write_at(1));
        assert_eq!(refused, Err(IllegalDeliveryTransition(DeliveryState::Prepared)));
        assert_eq!(draft.into_write(), None);
    }

    #[test]
    fn a_delivery_starts_from_prepared_only() {
        for state in STATES.into_iter().filter(|state| *state != DeliveryState::Prepared) {
            let mut draft = DeliveryDraft::of(stored(state, true));
            let other = Shipment { tracking_number: "2".to_owned(), ..shipment() };
            let refused = draft.start(other, &deadlines(), &write_at(1));
            assert_eq!(refused, Err(IllegalDeliveryTransition(state)));
            assert_eq!(draft.into_write(), None);
        }
    }

    #[test]
    fn the_same_shipment_again_changes_nothing() {
        let mut draft = DeliveryDraft::of(stored(DeliveryState::Delivering, true));
        let again = Shipment { started_at: write_at(9).now, ..shipment() };
        draft.start(again, &deadlines(), &write_at(9)).unwrap();
        assert_eq!(draft.into_write(), None);
    }

    #[test]
    fn a_delivery_is_completed_once() {
        let mut draft = DeliveryDraft::of(stored(DeliveryState::Delivering, true));
        draft.complete(&deadlines(), &write_at(2)).unwrap();
        let (completed, events) = written(draft);
        assert_eq!(completed.state, DeliveryState::Delivered);
        let times = (completed.delivered_at, completed.due_at);
        assert_eq!(times, (Some(write_at(2).now), Some(write_at(702).now)));
        assert_eq!(events, ["DeliveryCompleted"]);

        let mut again = DeliveryDraft::of(completed);
        again.complete(&deadlines(), &write_at(3)).unwrap();
        assert_eq!(again.into_write(), None);
    }

    #[test]
    fn what_is_not_under_way_is_not_completed() {
        for state in STATES {
            let mut draft = DeliveryDraft::of(stored(state, true));
            let completed = draft.complete(&deadlines(), &write_at(2));
            if matches!(state, DeliveryState::Delivering | DeliveryState::Delivered) {
                continue;
            }
            assert_eq!(completed, Err(IllegalDeliveryTransition(state)));
            assert_eq!(draft.into_write(), None);
        }
    }

    #[test]
    fn only_a_delivered_receipt_is_confirmed() {
        for state in STATES {
            let mut draft = DeliveryDraft::of(stored(state, true));
            let confirmed = draft.confirm_receipt(&write_at(3));
            if state == DeliveryState::Delivered {
                let (delivery, events) = written(draft);
                assert_eq!((delivery.state, delivery.due_at), (DeliveryState::Confirmed, None));
                assert_eq!(events, ["ReceiptConfirmed"]);
            } else {
                assert_eq!(confirmed, Err(IllegalDeliveryTransition(state)));
                assert_eq!(draft.into_write(), None);
            }
        }
    }

    #[test]
    fn each_cancel_request_gets_one_response() {
        for state in STATES {
            let mut draft = DeliveryDraft::of(stored(state, true));
            let request = EventId::derive(&[b"request"]);
            draft.respond_to_cancel_request(request, &write_at(1));
            let (delivery, events) = written(draft);
            let held = [DeliveryState::Prepared, DeliveryState::Held].contains(&state);
            assert_eq!(delivery.state, if held { DeliveryState::Held } else { state });
            let response = if state.has_started() { "DeliveryNotHeld" } else { "DeliveryHeld" };
            assert_eq!(events, [response]);

            let mut again = DeliveryDraft::of(delivery);
            again.respond_to_cancel_request(request, &write_at(2));
            assert!(!again.is_changed());
            let repeated = EventId::derive(&[b"repeated"]);
            again.respond_to_cancel_request(repeated, &write_at(2));
            assert_eq!(written(again).1, [response]);
        }
    }

    #[test]
    fn what_has_started_is_not_cancelled() {
        for state in STATES {
            let mut draft = DeliveryDraft::of(stored(state, true));
            draft.cancel();
            let unchanged = state.has_started() || state == DeliveryState::Cancelled;
            assert_eq!(draft.is_changed(), !unchanged);
            let expected = if unchanged { state } else { DeliveryState::Cancelled };
            assert_eq!(draft.delivery().state, expected);
        }
    }
}
