//! Fixtures of unit tests, of delivery's contract suite and of other crates' tests (feature
//! `test-support`).

#![allow(clippy::unwrap_used, reason = "fixtures are valid")]

use crate::{
    adapters::memory::MemoryDelivery,
    application::{
        on_line_changed::on_line_changed,
        on_order_confirmed::on_order_confirmed,
        set_status::{ReportedStatus, set_status},
    },
    domain::{
        delivery::{DeliveryDeadlines, DeliveryRecord, DeliveryUpdate, delivery_id},
        draft::WriteContext,
        line_change::{LineChange, LineChangeKind},
        parcel::Parcel,
    },
    ports::{DeliveryReader, DeliveryWriter},
};
use rialto_contracts::{
    EventContext,
    orders::{LineSnapshot, LineSplit, OrderConfirmed, OrderLineState, PlacedLine},
};
use rialto_kernel::{
    Amount, DeliveryId, EventId, IfMatch, OrderId, ParcelId, ProductId, Quantity, SellerId,
    StoreError, Timestamp, UserId, Write,
};
use std::{collections::BTreeMap, time::Duration};

#[must_use]
pub fn order_id() -> OrderId {
    OrderId::derive(&[b"o"])
}

#[must_use]
pub fn buyer() -> UserId {
    UserId::derive(&[b"u"])
}

#[must_use]
pub fn seller() -> SellerId {
    SellerId::derive(&[b"s"])
}

#[must_use]
pub fn quantity(pieces: u32) -> Quantity {
    Quantity::new(pieces.into()).unwrap()
}

/// A confirmed order of [`buyer`] with one line of [`seller`] for each number of pieces.
#[must_use]
pub fn confirmed_order(order_id: OrderId, pieces: &[u32]) -> OrderConfirmed {
    let lines = pieces.iter().zip(1..).map(|(&pieces, line_no)| PlacedLine {
        line_no,
        product_id: ProductId::derive(&[b"p"]),
        seller_id: seller(),
        title: "thing".to_owned(),
        quantity: quantity(pieces),
        unit_price: Amount::new(100).unwrap(),
        share: Amount::new(100).unwrap(),
    });
    OrderConfirmed { order_id, user_id: buyer(), lines: lines.collect() }
}

/// A line of [`order_id`] with this number of pieces, of the root 1.
#[must_use]
pub fn line(line_no: u32, pieces: u32, splits: &[LineSplit]) -> LineSnapshot {
    LineSnapshot {
        order_id: order_id(),
        line_no,
        root: 1,
        user_id: buyer(),
        seller_id: seller(),
        product_id: ProductId::derive(&[b"p"]),
        quantity: quantity(pieces),
        share: Amount::new(100).unwrap(),
        state: OrderLineState::Ordered,
        splits: splits.to_vec(),
    }
}

/// The change of a line that has no parts.
#[must_use]
pub fn change(line_no: u32, pieces: u32, kind: LineChangeKind) -> LineChange {
    let line = LineSnapshot { root: line_no, ..line(line_no, pieces, &[]) };
    line_change(line, kind)
}

/// The change of a line, by an event that is the same for the same kind and line.
#[must_use]
pub fn line_change(line: LineSnapshot, kind: LineChangeKind) -> LineChange {
    let event = format!("{kind:?} of {}", line.line_no);
    LineChange::new(EventId::derive(&[event.as_bytes()]), line, kind)
}

/// A split of an ORDERED line.
#[must_use]
pub fn split(line_no: u32, from: u32, pieces: u32) -> LineSplit {
    LineSplit { line_no, from, quantity: quantity(pieces), state: OrderLineState::Ordered }
}

/// A split of an ACCEPTED line.
#[must_use]
pub fn accepted_split(line_no: u32, from: u32, pieces: u32) -> LineSplit {
    LineSplit { state: OrderLineState::Accepted, ..split(line_no, from, pieces) }
}

/// A write at this second.
#[must_use]
pub fn write_at(second: i64) -> WriteContext {
    let now = Timestamp::from_millis(second * 1_000);
    WriteContext { now, cause: EventContext::default() }
}

#[must_use]
pub fn deadlines() -> DeliveryDeadlines {
    DeliveryDeadlines { delivery: Duration::from_secs(3_000), receipt: Duration::from_secs(700) }
}

/// The seconds of the events that the fixtures below store.
pub const PREPARED_AT: i64 = 1;
pub const STARTED_AT: i64 = 3;
pub const DELIVERED_AT: i64 = 4;

/// Stores the prepared deliveries of [`order_id`], with a line for each number of pieces.
pub async fn insert_prepared(store: &impl DeliveryWriter, pieces: &[u32]) -> Vec<DeliveryId> {
    insert_prepared_of(store, order_id(), pieces).await
}

/// Stores the prepared deliveries of an order.
pub async fn insert_prepared_of(
    store: &impl DeliveryWriter,
    order: OrderId,
    pieces: &[u32],
) -> Vec<DeliveryId> {
    let confirmed = confirmed_order(order, pieces);
    let written = on_order_confirmed(store, &confirmed, &write_at(PREPARED_AT)).await.unwrap();
    assert_eq!(written, Write::Done);
    confirmed.lines.iter().map(|line| delivery_id(order, line.line_no)).collect()
}

/// Stores the acceptance of a line of [`order_id`] with this number of pieces.
pub async fn accept(store: &impl DeliveryWriter, line_no: u32, pieces: u32) {
    accept_of(store, order_id(), line_no, pieces).await;
}

async fn accept_of(store: &impl DeliveryWriter, order: OrderId, line_no: u32, pieces: u32) {
    let mut accepted = change(line_no, pieces, LineChangeKind::Accepted);
    accepted.line.order_id = order;
    assert_eq!(on_line_changed(store, &accepted, &write_at(2)).await.unwrap(), Write::Done);
}

/// Stores accepted deliveries of [`order_id`], with a line for each number of pieces.
pub async fn insert_accepted(store: &impl DeliveryWriter, pieces: &[u32]) -> Vec<DeliveryId> {
    insert_accepted_of(store, order_id(), pieces).await
}

/// Stores the accepted deliveries of an order.
pub async fn insert_accepted_of(
    store: &impl DeliveryWriter,
    order: OrderId,
    pieces: &[u32],
) -> Vec<DeliveryId> {
    let ids = insert_prepared_of(store, order, pieces).await;
    for (&pieces, line_no) in pieces.iter().zip(1..) {
        accept_of(store, order, line_no, pieces).await;
    }
    ids
}

/// Stores deliveries of [`order_id`] that are DELIVERING.
pub async fn insert_started(store: &impl DeliveryWriter, pieces: &[u32]) -> Vec<DeliveryId> {
    let ids = insert_accepted(store, pieces).await;
    let (carrier, tracking_number) = ("DHL".to_owned(), "1".to_owned());
    let status = ReportedStatus::Delivering { carrier, tracking_number };
    for id in &ids {
        let write = write_at(STARTED_AT);
        set_status(store, *id, &status, &IfMatch::Absent, |_| true, &deadlines(), &write)
            .await
            .unwrap();
    }
    ids
}

/// Stores deliveries of [`order_id`] that are DELIVERED.
pub async fn insert_delivered(store: &impl DeliveryWriter, pieces: &[u32]) -> Vec<DeliveryId> {
    let ids = insert_started(store, pieces).await;
    for id in &ids {
        let (status, write) = (ReportedStatus::Delivered, write_at(DELIVERED_AT));
        set_status(store, *id, &status, &IfMatch::Absent, |_| true, &deadlines(), &write)
            .await
            .unwrap();
    }
    ids
}

/// A store whose writes are done but reported as conflicts, after which another event may be
/// applied.
#[derive(Debug, Clone)]
pub struct LostResponses {
    pub store: MemoryDelivery,
    pub later: Option<LineChange>,
}

impl LostResponses {
    #[must_use]
    pub const fn of(store: MemoryDelivery) -> Self {
        Self { store, later: None }
    }
}

impl DeliveryReader for LostResponses {
    async fn records(
        &self,
        ids: &[DeliveryId],
    ) -> Result<BTreeMap<DeliveryId, DeliveryRecord>, StoreError> {
        self.store.records(ids).await
    }

    async fn parcel(&self, parcel: ParcelId) -> Result<Option<Parcel>, StoreError> {
        self.store.parcel(parcel).await
    }
}

impl DeliveryWriter for LostResponses {
    async fn save(&self, update: &DeliveryUpdate) -> Result<Write, StoreError> {
        assert_eq!(self.store.save(update).await?, Write::Done);
        if let Some(change) = &self.later {
            let applied = on_line_changed(&self.store, change, &write_at(9)).await;
            assert!(applied.is_ok());
        }
        Ok(Write::Conflict(()))
    }
}
