//! Contract tests for every adapter of delivery's ports.

use futures_util::TryStreamExt;
use rialto_delivery::{
    SERVICE,
    adapters::{
        dynamodb::{DEADLINES, DynamoDelivery},
        memory::MemoryDelivery,
    },
    domain::{
        delivery::{
            CANCELLED_ORDER_RETENTION, DeliveryRecord, DeliveryState, DeliveryUpdate,
            DeliveryWrite, ExpectedDelivery, LineDelivery, delivery_id,
        },
        line_change::LineChangeKind,
        parcel::{Parcel, parcel_id},
    },
    fixtures::{buyer, change, confirmed_order, order_id, seller, write_at},
    ports::{DeliveryLister, DeliveryPage, DeliveryWriter},
};
use rialto_dynamo::Key;
use rialto_kernel::{
    DeliveryId, DueEntry, DueQueue, OrderId, ParcelId, SellerId, StoreError, Timestamp, UserId,
    Write,
};
use rialto_lambda::sweep::due_entries;
use std::collections::BTreeMap;

trait Store: DeliveryWriter + DeliveryLister + DueQueue<Id = DeliveryId> + Sync {}
impl<S: DeliveryWriter + DeliveryLister + DueQueue<Id = DeliveryId> + Sync> Store for S {}

rialto_testkit::contract! {
    memory: MemoryDelivery::default(),
    dynamodb: DynamoDelivery::on(rialto_testkit::new_table(SERVICE).await);
    expected_deliveries_read_back,
    deliveries_are_stored_by_version,
    several_records_are_stored_all_or_none,
    parcels_are_stored_with_their_deliveries,
    deliveries_of_a_seller_are_paged_newest_first,
    ended_deliveries_leave_the_buyers_list,
    due_deliveries_are_found_by_deadline,
    postponed_deliveries_are_due_later,
    forged_positions_are_refused,
}

/// The delivery of an order's first line, prepared at this second.
fn delivery(order: OrderId, second: i64) -> LineDelivery {
    let confirmed = confirmed_order(order, &[2]);
    LineDelivery::prepare(order, buyer(), &confirmed.lines[0], write_at(second).now)
}

fn update(deliveries: impl IntoIterator<Item = LineDelivery>) -> DeliveryUpdate {
    let deliveries = deliveries
        .into_iter()
        .map(|of| DeliveryWrite { record: DeliveryRecord::Prepared(of), events: Vec::new() });
    DeliveryUpdate { deliveries: deliveries.collect(), parcels: Vec::new() }
}

async fn expected_deliveries_read_back(store: impl Store) {
    let id = delivery_id(order_id(), 1);
    let early = ExpectedDelivery::new(id, order_id());
    let early = early.with_change(&change(1, 2, LineChangeKind::Accepted)).unwrap();
    assert_eq!(store.save(&early.clone().into()).await.unwrap(), Write::Done);
    assert_eq!(store.save(&early.clone().into()).await.unwrap(), Write::Conflict(()));
    let cancelled = early.with_cancelled_order(write_at(1).now).unwrap();
    assert_eq!(store.save(&cancelled.clone().into()).await.unwrap(), Write::Done);
    let unknown = delivery_id(order_id(), 2);
    let records = store.records(&[id, unknown]).await.unwrap();
    assert_eq!(records, BTreeMap::from([(id, DeliveryRecord::Expected(cancelled))]));

    let prepared = LineDelivery { version: 3, ..delivery(order_id(), 1) };
    assert_eq!(store.save(&update([prepared.clone()])).await.unwrap(), Write::Done);
    let records = store.records(&[id]).await.unwrap();
    assert_eq!(records, BTreeMap::from([(id, DeliveryRecord::Prepared(prepared))]));
}

async fn deliveries_are_stored_by_version(store: impl Store) {
    let first = delivery(order_id(), 1);
    let second = LineDelivery { version: 2, accepted: true, ..first.clone() };
    assert_eq!(store.save(&update([second.clone()])).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.save(&update([first.clone()])).await.unwrap(), Write::Done);
    assert_eq!(store.save(&update([first])).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.save(&update([second.clone()])).await.unwrap(), Write::Done);
    assert_eq!(store.save(&update([second.clone()])).await.unwrap(), Write::Conflict(()));
    let records = store.records(&[second.delivery_id]).await.unwrap();
    assert_eq!(records[&second.delivery_id], DeliveryRecord::Prepared(second));
}

async fn several_records_are_stored_all_or_none(store: impl Store) {
    let [one, other] = ["a", "b"].map(|order| delivery(OrderId::derive(&[order.as_bytes()]), 1));
    assert_eq!(store.save(&update([one.clone()])).await.unwrap(), Write::Done);
    let both = update([LineDelivery { version: 2, ..one.clone() }, other.clone()]);
    let outdated = update([one.clone(), other.clone()]);
    assert_eq!(store.save(&outdated).await.unwrap(), Write::Conflict(()));
    let ids = [one.delivery_id, other.delivery_id];
    assert_eq!(store.records(&ids).await.unwrap().len(), 1);
    assert_eq!(store.save(&both).await.unwrap(), Write::Done);
    let records = store.records(&ids).await.unwrap();
    assert_eq!(records.values().map(DeliveryRecord::version).sum::<u64>(), 3);
}

fn parcel(id: ParcelId, delivery: &LineDelivery) -> Parcel {
    Parcel {
        parcel_id: id,
        order_id: delivery.order_id,
        user_id: delivery.user_id,
        seller_id: delivery.seller_id,
        delivery_ids: vec![delivery.delivery_id],
        carrier: "DHL".to_owned(),
        tracking_number: "1".to_owned(),
        body_hash: "hash".to_owned(),
        created_at: Timestamp::from_millis(1),
        version: 1,
    }
}

async fn parcels_are_stored_with_their_deliveries(store: impl Store) {
    let delivery = delivery(order_id(), 1);
    let id = parcel_id(seller(), "key");
    let parcel = parcel(id, &delivery);
    assert_eq!(store.parcel(id).await.unwrap(), None);
    let write = DeliveryUpdate { parcels: vec![parcel.clone()], ..update([delivery.clone()]) };
    assert_eq!(store.save(&write).await.unwrap(), Write::Done);
    assert_eq!(store.parcel(id).await.unwrap(), Some(parcel.clone()));

    // The parcel's version is outdated: the delivery stays, too.
    let next = LineDelivery { version: 2, ..delivery.clone() };
    let write = DeliveryUpdate { parcels: vec![parcel.clone()], ..update([next.clone()]) };
    assert_eq!(store.save(&write).await.unwrap(), Write::Conflict(()));
    let records = store.records(&[delivery.delivery_id]).await.unwrap();
    assert_eq!(records[&delivery.delivery_id].version(), 1);

    let joined = parcel.with_parts(&[delivery_id(order_id(), 2)]);
    let write = DeliveryUpdate { parcels: vec![joined.clone()], ..update([next]) };
    assert_eq!(store.save(&write).await.unwrap(), Write::Done);
    assert_eq!(store.parcel(id).await.unwrap(), Some(joined));
}

/// Which list of deliveries.
#[derive(Clone, Copy)]
enum List {
    UnderWay(UserId),
    OfSeller(SellerId),
}

async fn list(store: &impl Store, list: List, limit: u32, position: Option<&str>) -> DeliveryPage {
    let page = match list {
        List::UnderWay(user) => store.list_under_way(user, limit, position).await,
        List::OfSeller(seller) => store.list_by_seller(seller, limit, position).await,
    };
    page.unwrap()
}

async fn pages(store: &impl Store, of: List, limit: u32) -> Vec<DeliveryId> {
    let (mut ids, mut position) = (Vec::new(), None::<String>);
    loop {
        let (deliveries, next) = list(store, of, limit, position.as_deref()).await;
        assert!(deliveries.len() <= limit as usize);
        ids.extend(deliveries.into_iter().map(|delivery| delivery.delivery_id));
        position = next;
        if position.is_none() {
            return ids;
        }
    }
}

/// The delivery of an order of its own, number `number`, prepared at that second.
fn numbered(number: u8) -> LineDelivery {
    delivery(OrderId::derive(&[&[number]]), number.into())
}

async fn deliveries_of_a_seller_are_paged_newest_first(store: impl Store) {
    let mut expected = Vec::new();
    for number in 0..7 {
        let delivery = numbered(number);
        expected.insert(0, delivery.delivery_id);
        assert_eq!(store.save(&update([delivery])).await.unwrap(), Write::Done);
    }
    let other = SellerId::derive(&[b"other"]);
    let theirs = LineDelivery { seller_id: other, ..numbered(9) };
    assert_eq!(store.save(&update([theirs])).await.unwrap(), Write::Done);
    let expecting = ExpectedDelivery::new(delivery_id(order_id(), 1), order_id());
    let expecting = expecting.with_cancelled_order(write_at(1).now).unwrap();
    assert_eq!(store.save(&expecting.into()).await.unwrap(), Write::Done);
    for limit in [1, 3, 7, 100] {
        assert_eq!(pages(&store, List::OfSeller(seller()), limit).await, expected, "{limit}");
    }
    assert_eq!(pages(&store, List::OfSeller(other), 10).await.len(), 1);
}

async fn ended_deliveries_leave_the_buyers_list(store: impl Store) {
    let mut expected = Vec::new();
    let states = [
        DeliveryState::Prepared,
        DeliveryState::Held,
        DeliveryState::Delivering,
        DeliveryState::Delivered,
        DeliveryState::Confirmed,
        DeliveryState::Cancelled,
    ];
    for (state, number) in states.into_iter().zip(0..) {
        let first = numbered(number);
        if !state.is_final() {
            expected.insert(0, first.delivery_id);
        }
        let next = LineDelivery { state, version: 2, ..first.clone() };
        assert_eq!(store.save(&update([first])).await.unwrap(), Write::Done);
        assert_eq!(store.save(&update([next])).await.unwrap(), Write::Done);
    }
    assert_eq!(pages(&store, List::UnderWay(buyer()), 2).await, expected);
    let other = UserId::derive(&[b"other"]);
    assert!(pages(&store, List::UnderWay(other), 2).await.is_empty());
    assert_eq!(pages(&store, List::OfSeller(seller()), 100).await.len(), 6);
}

/// The ids that are due, in the order of a sweep.
async fn due(store: &impl Store, second: i64) -> Vec<DeliveryId> {
    let entries = due_entries(store, write_at(second).now).map_ok(|entry| entry.id);
    entries.try_collect().await.unwrap()
}

async fn due_deliveries_are_found_by_deadline(store: impl Store) {
    let mut expected = Vec::new();
    for number in 0..20_u8 {
        let first = numbered(number);
        let due_at = (number != 3).then(|| write_at(100 + i64::from(number)).now);
        if number < 10 && due_at.is_some() {
            expected.push(first.delivery_id);
        }
        let delivery = LineDelivery { due_at, ..first };
        assert_eq!(store.save(&update([delivery])).await.unwrap(), Write::Done);
    }
    expected.sort_unstable();
    let mut found = due(&store, 109).await;
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(due(&store, 99).await, []);
    for shard in 0..DEADLINES.shards {
        let all = store.due(shard, write_at(200).now, None, 100).await.unwrap();
        let Some(first) = all.first() else { continue };
        let rest = store.due(shard, write_at(200).now, Some(first), 100).await.unwrap();
        assert_eq!(rest, all[1..]);
    }
}

async fn postponed_deliveries_are_due_later(store: impl Store) {
    let delivery = LineDelivery { due_at: Some(write_at(10).now), ..numbered(1) };
    assert_eq!(store.save(&update([delivery.clone()])).await.unwrap(), Write::Done);
    let (id, later) = (delivery.delivery_id, write_at(20).now);
    let entry = DueEntry { deadline: write_at(10).now, id };
    assert_eq!(store.postpone(&entry, later).await.unwrap(), Write::Done);
    assert_eq!(store.postpone(&entry, later).await.unwrap(), Write::Conflict(()));
    assert_eq!(due(&store, 10).await, []);
    assert_eq!(due(&store, 20).await, [id]);
    let records = store.records(&[id]).await.unwrap();
    assert_eq!(records[&id], DeliveryRecord::Prepared(delivery.clone()));

    let ended = LineDelivery { due_at: None, version: 2, ..delivery };
    assert_eq!(store.save(&update([ended])).await.unwrap(), Write::Done);
    assert_eq!(due(&store, 20).await, []);
}

async fn forged_positions_are_refused(store: impl Store) {
    assert_eq!(store.save(&update([numbered(1)])).await.unwrap(), Write::Done);
    for position in rialto_testkit::fixtures::forged_positions() {
        let (user, by) = (buyer(), Some(position.as_str()));
        let refused = Err(StoreError::InvalidPosition);
        assert_eq!(store.list_under_way(user, 20, by).await, refused, "{position:?}");
        assert_eq!(store.list_by_seller(seller(), 20, by).await, refused, "{position:?}");
    }
}

#[tokio::test]
async fn an_expected_delivery_of_a_cancelled_order_has_a_ttl() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoDelivery::on(table.clone());
    let id = delivery_id(order_id(), 1);
    let ttl = async || {
        let key = Key::new(format!("DELIVERY#{id}"), "DELIVERY");
        let ttl = table.get(&key).await.unwrap().unwrap().remove("ttl");
        ttl.map(|ttl| ttl.as_n().unwrap().clone())
    };
    let early = ExpectedDelivery::new(id, order_id());
    let early = early.with_change(&change(1, 2, LineChangeKind::Accepted)).unwrap();
    assert_eq!(store.save(&early.clone().into()).await.unwrap(), Write::Done);
    assert_eq!(ttl().await, None);
    let cancelled = early.with_cancelled_order(write_at(1).now).unwrap();
    assert_eq!(store.save(&cancelled.clone().into()).await.unwrap(), Write::Done);
    let expires_at = write_at(1).now.plus(CANCELLED_ORDER_RETENTION);
    assert_eq!(ttl().await, Some(expires_at.seconds().to_string()));
    let prepared = LineDelivery { version: 3, ..delivery(order_id(), 1) };
    assert_eq!(store.save(&update([prepared])).await.unwrap(), Write::Done);
    assert_eq!(ttl().await, None);
}
