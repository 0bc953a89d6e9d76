//! The deliveries of a line as it was placed: its own, and those of its parts.

use super::{
    delivery::{DeliveryRecord, DeliveryUpdate, ExpectedDelivery, LineDelivery},
    draft::{DeliveryDraft, WriteContext},
    line_change::{LineChange, LineChangeKind},
    parcel::Parcel,
};
use rialto_contracts::orders::{LineCopy, LineMismatch, OrderConfirmed, apply_splits};
use rialto_kernel::{DeliveryId, ParcelId};
use std::collections::{BTreeMap, BTreeSet};

/// The next versions of the deliveries of a line as it was placed.
#[derive(Debug, Clone)]
pub struct LineDeliveries {
    drafts: Vec<DeliveryDraft>,
    /// The parcels of parts that were split off, with those parts.
    joined: BTreeMap<ParcelId, Vec<DeliveryId>>,
}

impl LineDeliveries {
    /// The stored deliveries of a line and of those of its parts that are known.
    #[must_use]
    pub fn new(deliveries: impl IntoIterator<Item = LineDelivery>) -> Self {
        let drafts = deliveries.into_iter().map(DeliveryDraft::of).collect();
        Self { drafts, joined: BTreeMap::new() }
    }

    /// Applies a change of the line or of one of its parts: first the splits that aren't known yet,
    /// then the change itself. It has the same effect on the states in whatever order changes
    /// arrive, and however often.
    ///
    /// # Errors
    /// [`LineMismatch`] if the change contradicts the deliveries.
    pub fn apply(&mut self, change: &LineChange, write: &WriteContext) -> Result<(), LineMismatch> {
        let known = self.drafts.len();
        apply_splits(&mut self.drafts, &change.line)?;
        for part in self.drafts.iter_mut().skip(known) {
            part.publish_progress(write);
            if let Some(parcel) = part.delivery().parcel_id() {
                self.joined.entry(parcel).or_default().push(part.delivery().delivery_id);
            }
        }
        let line_no = change.line.line_no;
        let draft = self.drafts.iter_mut().find(|draft| draft.line_no() == line_no);
        let draft = draft.ok_or(LineMismatch::UnknownLine(line_no))?;
        match change.kind {
            LineChangeKind::Accepted => draft.accept(),
            LineChangeKind::Rejected | LineChangeKind::Cancelled => draft.cancel(),
            LineChangeKind::CancelRequested => {
                draft.respond_to_cancel_request(change.event_id, write);
            }
            LineChangeKind::Split => {}
        }
        Ok(())
    }

    /// The parcels that parts have joined.
    #[must_use]
    pub fn joined_parcels(&self) -> BTreeSet<ParcelId> {
        self.joined.keys().copied().collect()
    }

    /// The write; `parcels` are those that parts have joined.
    #[must_use]
    pub fn into_update(self, parcels: impl IntoIterator<Item = Parcel>) -> DeliveryUpdate {
        let parcels = parcels.into_iter().filter_map(|parcel| {
            self.joined.get(&parcel.parcel_id).map(|parts| parcel.with_parts(parts))
        });
        let parcels = parcels.collect();
        DeliveryUpdate { parcels, ..self.drafts.into_iter().collect() }
    }

    /// The deliveries of a confirmed order's line, after what arrived before the confirmation.
    fn prepare(
        line: LineDelivery,
        expected: Option<&ExpectedDelivery>,
        order_cancelled: bool,
        write: &WriteContext,
    ) -> Result<Self, LineMismatch> {
        let version = expected.map_or(0, |expected| expected.version) + 1;
        let line_no = line.line_no;
        let draft = DeliveryDraft::new(LineDelivery { version, ..line });
        let mut prepared = Self { drafts: vec![draft], joined: BTreeMap::new() };
        for change in expected.into_iter().flat_map(|expected| &expected.early) {
            prepared.apply(change, write)?;
        }
        if order_cancelled {
            prepared.drafts.iter_mut().for_each(DeliveryDraft::cancel);
        }
        let mut drafts = prepared.drafts.iter_mut();
        if let Some(draft) = drafts.find(|draft| draft.line_no() == line_no) {
            draft.publish_prepared(write);
        }
        Ok(prepared)
    }
}

/// The deliveries of a confirmed order's lines. `None` if the order was confirmed before.
///
/// # Errors
/// [`LineMismatch`] if a change that arrived before contradicts the order.
pub fn prepare_order(
    order: &OrderConfirmed,
    records: &BTreeMap<DeliveryId, DeliveryRecord>,
    write: &WriteContext,
) -> Result<Option<DeliveryUpdate>, LineMismatch> {
    let mut expected = BTreeMap::new();
    for (id, record) in records {
        match record {
            DeliveryRecord::Prepared(_) => return Ok(None),
            DeliveryRecord::Expected(record) => expected.insert(id, record),
        };
    }
    let order_cancelled = expected.values().any(|record| record.order_cancelled_at.is_some());
    let mut drafts = Vec::new();
    for line in &order.lines {
        let line = LineDelivery::prepare(order.order_id, order.user_id, line, write.now);
        let known = expected.get(&line.delivery_id).copied();
        drafts.append(&mut LineDeliveries::prepare(line, known, order_cancelled, write)?.drafts);
    }
    Ok(Some(drafts.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::delivery::{DeliveryState, Shipment},
        fixtures::{
            accepted_split, change, confirmed_order, deadlines, line, line_change, order_id, split,
            write_at,
        },
    };
    use rialto_contracts::{Event, orders::LineSplit};

    const WRITE: i64 = 1;

    /// The prepared deliveries of an order with one line of 4 pieces.
    fn prepared() -> LineDeliveries {
        let order = confirmed_order(order_id(), &[4]);
        let update = prepare_order(&order, &BTreeMap::new(), &write_at(WRITE)).unwrap().unwrap();
        stored(update)
    }

    /// The deliveries after a write.
    fn stored(update: DeliveryUpdate) -> LineDeliveries {
        let records = update.deliveries.into_iter().map(|write| write.record);
        LineDeliveries::new(records.filter_map(DeliveryRecord::into_delivery))
    }

    fn part_change(
        line_no: u32,
        pieces: u32,
        splits: &[LineSplit],
        kind: LineChangeKind,
    ) -> LineChange {
        line_change(line(line_no, pieces, splits), kind)
    }

    /// The line number, pieces, state and acceptance of each delivery.
    fn summary(update: &DeliveryUpdate) -> Vec<(u32, u32, DeliveryState, bool)> {
        let deliveries = update.deliveries.iter().map(|write| match &write.record {
            DeliveryRecord::Prepared(delivery) => delivery,
            DeliveryRecord::Expected(_) => panic!("not prepared"),
        });
        deliveries.map(|of| (of.line_no, of.quantity.get(), of.state, of.accepted)).collect()
    }

    fn kinds<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<&'a str> {
        events.into_iter().map(|event| event.kind.as_str()).collect()
    }

    #[test]
    fn a_part_of_a_prepared_delivery_is_prepared() {
        let mut lines = prepared();
        let splits = [split(2, 1, 1)];
        lines.apply(&part_change(2, 1, &splits, LineChangeKind::Split), &write_at(WRITE)).unwrap();
        let update = lines.into_update([]);
        let expected =
            [(1, 3, DeliveryState::Prepared, false), (2, 1, DeliveryState::Prepared, false)];
        assert_eq!(summary(&update), expected);
        assert!(update.deliveries.iter().all(|write| write.events.is_empty()));
    }

    #[test]
    fn a_split_of_an_accepted_line_accepts_both() {
        let mut lines = prepared();
        let splits = [accepted_split(2, 1, 1)];
        lines.apply(&part_change(2, 1, &splits, LineChangeKind::Split), &write_at(WRITE)).unwrap();
        let update = lines.into_update([]);
        assert!(summary(&update).iter().all(|(_, _, _, accepted)| *accepted));
    }

    #[test]
    fn a_part_does_not_inherit_a_later_acceptance() {
        // The line was split first, and its acceptance doesn't concern the part.
        let mut lines = prepared();
        let splits = [split(2, 1, 1)];
        let accepted = part_change(1, 3, &splits, LineChangeKind::Accepted);
        lines.apply(&accepted, &write_at(WRITE)).unwrap();
        let expected =
            [(1, 3, DeliveryState::Prepared, true), (2, 1, DeliveryState::Prepared, false)];
        assert_eq!(summary(&lines.into_update([])), expected);
    }

    #[test]
    fn a_split_of_a_completed_line_changes_nothing() {
        let mut lines = prepared();
        let state = rialto_contracts::orders::OrderLineState::Completed;
        let splits = [split(2, 1, 1), LineSplit { state, ..split(3, 1, 1) }];
        let kind = LineChangeKind::Split;
        lines.apply(&part_change(2, 1, &splits, kind), &write_at(WRITE)).unwrap();
        assert_eq!(summary(&lines.into_update([])).len(), 2);
    }

    #[test]
    fn another_quantity_is_a_mismatch() {
        let wrong = change(1, 3, LineChangeKind::Accepted);
        let refused = prepared().apply(&wrong, &write_at(WRITE));
        assert_eq!(refused, Err(LineMismatch::Quantity { line_no: 1 }));
    }

    fn started(parcel_id: Option<ParcelId>) -> DeliveryDraft {
        let mut lines = prepared();
        lines.apply(&change(1, 4, LineChangeKind::Accepted), &write_at(WRITE)).unwrap();
        let mut draft = lines.drafts.remove(0);
        let shipment = Shipment {
            parcel_id,
            carrier: "DHL".to_owned(),
            tracking_number: "1".to_owned(),
            started_at: write_at(2).now,
        };
        draft.start(shipment, &deadlines(), &write_at(2)).unwrap();
        draft
    }

    #[test]
    fn a_part_of_a_started_delivery_catches_up() {
        type Stage = (fn(&mut DeliveryDraft), &'static [&'static str]);
        let stages: [Stage; 3] = [
            (|_| {}, &["DeliveryStarted"]),
            (
                |draft| draft.complete(&deadlines(), &write_at(3)).unwrap(),
                &["DeliveryStarted", "DeliveryCompleted"],
            ),
            (
                |draft| {
                    draft.complete(&deadlines(), &write_at(3)).unwrap();
                    draft.confirm_receipt(&write_at(4)).unwrap();
                },
                &["DeliveryStarted", "DeliveryCompleted", "ReceiptConfirmed"],
            ),
        ];
        for (advance, expected) in stages {
            let mut draft = started(None);
            advance(&mut draft);
            let line = draft.delivery().clone();
            let mut lines = LineDeliveries::new([line.clone()]);
            let splits = [accepted_split(2, 1, 1)];
            let late = part_change(2, 1, &splits, LineChangeKind::CancelRequested);
            lines.apply(&late, &write_at(5)).unwrap();
            let update = lines.into_update([]);
            let [rest, part] = update.deliveries.as_slice() else { panic!("two deliveries") };
            assert_eq!(kinds(&rest.events), [""; 0]);
            let answered = [expected, &["DeliveryNotHeld"]].concat();
            assert_eq!(kinds(&part.events), answered);
            let DeliveryRecord::Prepared(part) = &part.record else { panic!("prepared") };
            assert_eq!((part.state, &part.shipment), (line.state, &line.shipment));
            assert_eq!((part.delivered_at, part.due_at), (line.delivered_at, line.due_at));
        }
    }

    #[test]
    fn a_part_of_a_parcel_joins_it() {
        let parcel_id = ParcelId::derive(&[b"p"]);
        let line = started(Some(parcel_id)).delivery().clone();
        let parcel = Parcel {
            parcel_id,
            order_id: line.order_id,
            user_id: line.user_id,
            seller_id: line.seller_id,
            delivery_ids: vec![line.delivery_id],
            carrier: "DHL".to_owned(),
            tracking_number: "1".to_owned(),
            body_hash: String::new(),
            created_at: write_at(2).now,
            version: 1,
        };
        let mut lines = LineDeliveries::new([line]);
        let splits = [accepted_split(2, 1, 1)];
        lines.apply(&part_change(2, 1, &splits, LineChangeKind::Split), &write_at(5)).unwrap();
        assert_eq!(lines.joined_parcels(), BTreeSet::from([parcel_id]));
        let update = lines.into_update([parcel]);
        let parcel = &update.parcels[0];
        assert_eq!((parcel.version, parcel.delivery_ids.len()), (2, 2));
        assert_eq!(parcel.delivery_ids[1], update.deliveries[1].record.delivery_id());
    }

    #[test]
    fn early_changes_are_applied_with_the_confirmation() {
        let (id, order) = (crate::domain::delivery::delivery_id(order_id(), 1), order_id());
        let early = ExpectedDelivery::new(id, order)
            .with_change(&change(1, 4, LineChangeKind::CancelRequested))
            .and_then(|early| early.with_change(&change(1, 4, LineChangeKind::Accepted)))
            .unwrap();
        let records = BTreeMap::from([(id, DeliveryRecord::Expected(early))]);
        let order = confirmed_order(order, &[4]);
        let update = prepare_order(&order, &records, &write_at(WRITE)).unwrap().unwrap();
        assert_eq!(summary(&update), [(1, 4, DeliveryState::Held, true)]);
        assert_eq!(kinds(&update.deliveries[0].events), ["DeliveryPrepared", "DeliveryHeld"]);
        assert_eq!(update.deliveries[0].record.version(), 3);
    }

    #[test]
    fn a_line_cancelled_early_was_prepared_and_held() {
        let id = crate::domain::delivery::delivery_id(order_id(), 1);
        let early = ExpectedDelivery::new(id, order_id())
            .with_change(&change(1, 4, LineChangeKind::CancelRequested))
            .and_then(|early| early.with_change(&change(1, 4, LineChangeKind::Cancelled)))
            .unwrap();
        let records = BTreeMap::from([(id, DeliveryRecord::Expected(early))]);
        let order = confirmed_order(order_id(), &[4]);
        let update = prepare_order(&order, &records, &write_at(WRITE)).unwrap().unwrap();
        assert_eq!(summary(&update), [(1, 4, DeliveryState::Cancelled, false)]);
        assert_eq!(kinds(&update.deliveries[0].events), ["DeliveryPrepared", "DeliveryHeld"]);
    }

    #[test]
    fn a_line_rejected_early_is_never_prepared() {
        let id = crate::domain::delivery::delivery_id(order_id(), 1);
        let early = ExpectedDelivery::new(id, order_id());
        let early = early.with_change(&change(1, 4, LineChangeKind::Rejected)).unwrap();
        let records = BTreeMap::from([(id, DeliveryRecord::Expected(early))]);
        let order = confirmed_order(order_id(), &[4]);
        let update = prepare_order(&order, &records, &write_at(WRITE)).unwrap().unwrap();
        assert_eq!(summary(&update), [(1, 4, DeliveryState::Cancelled, false)]);
        assert!(update.deliveries[0].events.is_empty());
    }
}
