//! The contract suite of long timelines, run on each adapter.

use rialto_contracts::{Event, EventContext, inventory::StockReleased};
use rialto_kernel::{EventId, OrderId, Timestamp, Write};
use rialto_orders::{
    SERVICE,
    adapters::{dynamodb::DynamoOrders, memory::MemoryOrders},
    application::{get_order::Requester, get_timeline::get_timeline},
    domain::{
        order::{Order, OrderUpdate, Transition},
        timeline::MAX_ENTRIES,
    },
    fixtures::insert_placed_order,
    ports::{OrderPlacer, OrderWriter, TimelineReader},
};

trait Store: OrderPlacer + OrderWriter + TimelineReader {}
impl<S> Store for S where S: OrderPlacer + OrderWriter + TimelineReader {}

rialto_testkit::contract! {
    memory: MemoryOrders::default(),
    dynamodb: DynamoOrders::on(rialto_testkit::new_table(SERVICE).await);
    long_timelines_are_read_completely_and_in_order,
    archived_events_are_not_applied_again,
    a_conflicting_write_archives_nothing,
}

/// The event of another service with this number, of which orders only records the arrival.
fn event(order: OrderId, number: u64) -> Event {
    let payload = StockReleased { order_id: order, lines: Vec::new() };
    let at = Timestamp::from_millis(2_000 + i64::try_from(number).unwrap());
    Event::new(&payload, number, 0, at, &EventContext::default())
}

async fn stored(store: &impl Store, order: OrderId) -> Order {
    store.order(order).await.unwrap().unwrap()
}

fn record(order: &Order, number: u64) -> Option<OrderUpdate> {
    let event = event(order.order_id, number);
    order.apply(&event, Transition::RecordOnly, event.time, &EventContext::default())
}

/// Stores an order with this many further events, and returns the ids of its timeline.
async fn insert_with_events(store: &impl Store, events: u64) -> (OrderId, Vec<EventId>) {
    let order = insert_placed_order(store).await;
    let mut ids = vec![order.timeline[0].id];
    for number in 0..events {
        let order = stored(store, order.order_id).await;
        let change = record(&order, number).unwrap();
        assert_eq!(store.save(&change).await.unwrap(), Write::Done);
        ids.push(event(order.order_id, number).id);
    }
    (order.order_id, ids)
}

async fn timeline(store: &impl Store, order: OrderId) -> Vec<EventId> {
    let entries = get_timeline(store, order, Requester::Supervisor).await.unwrap();
    entries.iter().map(|entry| entry.id).collect()
}

async fn long_timelines_are_read_completely_and_in_order(store: impl Store) {
    let (order, ids) = insert_with_events(&store, 130).await;
    let newest = stored(&store, order).await;
    assert_eq!((newest.timeline.len(), newest.archived.parts), (131 - 2 * MAX_ENTRIES, 2));
    assert_eq!(newest.archived.ids, ids[..2 * MAX_ENTRIES]);
    assert_eq!(timeline(&store, order).await, ids);
    let parts = store.archived_timeline(&newest).await.unwrap();
    let numbers: Vec<_> = parts.iter().map(|part| (part.number, part.entries.len())).collect();
    assert_eq!(numbers, [(1, MAX_ENTRIES), (2, MAX_ENTRIES)]);
}

async fn archived_events_are_not_applied_again(store: impl Store) {
    let (order, ids) = insert_with_events(&store, 60).await;
    let newest = stored(&store, order).await;
    for number in [0, 30, 59] {
        assert_eq!(record(&newest, number), None, "{number}");
    }
    assert!(record(&newest, 60).is_some());
    assert_eq!(ids.len(), 61);
}

async fn a_conflicting_write_archives_nothing(store: impl Store) {
    let (order, ids) = insert_with_events(&store, 49).await;
    let full = stored(&store, order).await;
    assert_eq!((full.timeline.len(), full.archived.parts), (MAX_ENTRIES, 0));
    let (one, other) = (record(&full, 100).unwrap(), record(&full, 101).unwrap());
    assert_eq!(store.save(&one).await.unwrap(), Write::Done);
    assert_eq!(store.save(&other).await.unwrap(), Write::Conflict(()));
    assert_eq!(timeline(&store, order).await, [ids, vec![event(order, 100).id]].concat());
}
