//! The contract suite of orders' ports, run on each adapter.

use super::place;
use futures_util::{TryStreamExt, future::join_all};
use rialto_contracts::{EventContext, orders::OrderLineState};
use rialto_kernel::{
    Amount, Clock, Counter, DueEntry, DueQueue, Increment, OrderId, ProductId, Quantity, SellerId,
    StoreError, SystemClock, Text, Timestamp, UserId, Write,
};
use rialto_lambda::sweep::due_entries;
use rialto_orders::{
    SERVICE,
    adapters::{
        dynamodb::{DEADLINES, DynamoOrders},
        memory::MemoryOrders,
    },
    application::place_order::PlaceOrderError,
    domain::{
        keyed_request::RequestRecord,
        line::{OrderLine, ReturnOutcome, ReturnRequest},
        line_transitions::PiecesRequest,
        order::{Order, OrderState, OrderUpdate},
        placement_limit::{
            Counted, CountedSubject, CounterIncrement, CounterKey, FAILED_PAYMENTS_WINDOW,
        },
        product::Product,
    },
    fixtures::{self, order_placed_by},
    ports::{
        FailedPaymentCounter, IdempotencyRecord, OpenLineReader, OrderLister, OrderPlacer,
        OrderWriter, PlacementCondition, ProductReplica, UnregisteredBuyers,
    },
};
use std::{collections::HashMap, time::Duration};

trait Store:
    OrderPlacer
    + FailedPaymentCounter
    + OrderWriter
    + OrderLister
    + DueQueue<Id = OrderId>
    + Sync
    + OpenLineReader
    + UnregisteredBuyers
    + ProductReplica
{
}
impl<S> Store for S where
    S: OrderPlacer
        + FailedPaymentCounter
        + OrderWriter
        + OrderLister
        + DueQueue<Id = OrderId>
        + Sync
        + OpenLineReader
        + UnregisteredBuyers
        + ProductReplica
{
}

rialto_testkit::contract! {
    memory: MemoryOrders::default(),
    dynamodb: DynamoOrders::on(rialto_testkit::new_table(SERVICE).await);
    orders_are_read_as_they_were_placed,
    orders_are_placed_once,
    updates_preserve_the_first_response,
    saving_requires_the_previous_version,
    orders_of_a_buyer_are_paged_newest_first,
    orders_filtered_by_state_are_complete,
    forged_positions_are_refused,
    expired_orders_are_found_by_deadline,
    expired_orders_of_a_shard_are_read_in_parts,
    postponed_orders_are_due_later,
    confirmed_orders_are_found_by_their_lines_deadlines,
    lines_are_read_as_they_were_written,
    open_lines_are_found_for_each_seller,
    cancelled_lines_leave_other_sellers_lines_open,
    responses_are_erased_with_the_address,
    unregistered_buyers_are_marked_for_placement,
    conditional_placements_require_a_registered_buyer,
    only_newer_copies_of_products_are_stored,
    concurrent_orders_cannot_exceed_the_limit,
    orders_and_their_counters_are_stored_together,
    failed_payments_are_counted_by_buyer_and_client,
}

fn key(counted: Counted, subject: CountedSubject) -> CounterKey {
    CounterKey { counted, subject }
}

async fn counter(store: &impl Store, key: &CounterKey) -> Option<Counter> {
    let (order, buyer) = (OrderId::derive(&[b"none"]), UserId::derive(&[b"none"]));
    let keys = std::slice::from_ref(key);
    let context = store.load_placement_context(order, buyer, &[], keys).await.unwrap();
    context.counters.get(key).copied()
}

async fn concurrent_orders_cannot_exceed_the_limit(store: impl Store) {
    assert_eq!(store.upsert_if_newer(&fixtures::product()).await.unwrap(), Write::Done);
    let (store, buyer, now) = (&store, fixtures::buyer(), SystemClock.now());
    let places = (0..8).map(|number| async move {
        loop {
            match place(store, buyer, &format!("k{number}"), 3, now).await {
                Ok(placed) => return !placed.replayed,
                Err(PlaceOrderError::LimitReached { .. }) => return false,
                // The emulator may collide more often than a transaction is tried again.
                Err(PlaceOrderError::Store(StoreError::Contended)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    let placed = join_all(places).await.into_iter().filter(|placed| *placed).count();
    assert_eq!(placed, 3);
    let (orders, _) = store.list_by_buyer(buyer, None, 10, None).await.unwrap();
    assert_eq!(orders.len(), 3);
}

async fn orders_and_their_counters_are_stored_together(store: impl Store) {
    let (buyer, now) = (UserId::derive(&[b"u"]), SystemClock.now());
    let ends = now.plus(Duration::from_secs(60));
    let key = key(Counted::Placements, CountedSubject::Buyer(buyer));
    let count = |increment, now| {
        [PlacementCondition::Count(CounterIncrement { key: key.clone(), increment, now })]
    };
    let (opening, within) =
        (count(Increment::NewWindow { ends }, now), count(Increment::InWindow { limit: 2 }, now));
    let [first, second, third] = ["1", "2", "3"].map(|number| order_placed_by(buyer, number, now));
    for (change, counts, written) in [
        (&first, &within, Write::Conflict(())),
        (&first, &opening, Write::Done),
        (&first, &within, Write::Conflict(())),
        (&second, &opening, Write::Conflict(())),
        (&second, &within, Write::Done),
        (&third, &within, Write::Conflict(())),
    ] {
        assert_eq!(store.insert(change, &record("r"), counts).await.unwrap(), written);
    }
    assert_eq!(store.order(third.order.order_id).await.unwrap(), None);
    assert_eq!(counter(&store, &key).await, Some(Counter { count: 2, window_ends: ends }));
    let late = count(Increment::NewWindow { ends }, ends);
    assert_eq!(store.insert(&third, &record("r"), &late).await.unwrap(), Write::Done);
}

async fn failed_payments_are_counted_by_buyer_and_client(store: impl Store) {
    let (buyer, now) = (UserId::derive(&[b"u"]), SystemClock.now());
    let client = fixtures::client();
    store.count_failed_payment(buyer, Some(&client), now).await.unwrap();
    store.count_failed_payment(buyer, None, now).await.unwrap();
    let window_ends = now.plus(FAILED_PAYMENTS_WINDOW);
    for (subject, count) in
        [(CountedSubject::Buyer(buyer), 2), (CountedSubject::Client(client.clone()), 1)]
    {
        let failed = counter(&store, &key(Counted::FailedPayments, subject.clone())).await;
        assert_eq!(failed, Some(Counter { count, window_ends }));
        assert_eq!(counter(&store, &key(Counted::Placements, subject)).await, None);
    }
    store.count_failed_payment(buyer, None, window_ends).await.unwrap();
    let failed = counter(&store, &key(Counted::FailedPayments, CountedSubject::Buyer(buyer))).await;
    assert_eq!(failed.unwrap().count, 1);
}

fn product(name: &str, version: u64) -> Product {
    Product {
        product_id: ProductId::derive(&[name.as_bytes()]),
        title: format!("{name} {version}"),
        version,
        ..fixtures::product()
    }
}

fn record(response_body: &str) -> IdempotencyRecord {
    IdempotencyRecord { body_hash: "hash".to_owned(), response_body: response_body.to_owned() }
}

fn payment_failure(order: &Order) -> OrderUpdate {
    fixtures::payment_failure(order, SystemClock.now())
}

fn confirmed(order: &Order) -> OrderUpdate {
    fixtures::confirmed(order, SystemClock.now())
}

/// An order with a line of each of these sellers.
fn order_of_sellers(sellers: &[SellerId]) -> OrderUpdate {
    let mut change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    let line = change.order.lines[0].clone();
    let lines = sellers.iter().zip(1..).map(|(seller_id, line_no)| OrderLine {
        line_no,
        seller_id: *seller_id,
        ..line.clone()
    });
    change.order.lines = lines.collect();
    change
}

async fn open_lines_are_found_for_each_seller(store: impl Store) {
    let sellers = [b"s1", b"s2", b"s3"].map(|name| SellerId::derive(&[name.as_slice()]));
    let change = order_of_sellers(&sellers);
    insert(&store, &change).await;
    for seller in &sellers {
        assert!(!store.has_open_lines(*seller).await.unwrap(), "{seller} in a PENDING order");
    }
    let confirmed = confirmed(&change.order);
    assert_eq!(store.save(&confirmed).await.unwrap(), Write::Done);
    assert_eq!(store.save(&confirmed).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.order(change.order.order_id).await.unwrap(), Some(confirmed.order));
    for seller in &sellers {
        assert!(store.has_open_lines(*seller).await.unwrap(), "{seller}");
    }
    assert!(!store.has_open_lines(SellerId::derive(&[b"another"])).await.unwrap());
}

async fn cancelled_lines_leave_other_sellers_lines_open(store: impl Store) {
    let sellers = [b"s1", b"s2"].map(|name| SellerId::derive(&[name.as_slice()]));
    for (cancelled, open) in [(0, 1), (1, 0)] {
        let change = order_of_sellers(&sellers);
        let order = Order { order_id: OrderId::derive(&[&[cancelled]]), ..change.order };
        insert(&store, &OrderUpdate { order: order.clone(), events: Vec::new() }).await;
        let confirmed = confirmed(&order);
        assert_eq!(store.save(&confirmed).await.unwrap(), Write::Done);
        let mut order = Order { version: confirmed.order.version + 1, ..confirmed.order };
        order.lines[usize::from(cancelled)].state = OrderLineState::Cancelled;
        assert_eq!(
            store.save(&OrderUpdate { order, events: Vec::new() }).await.unwrap(),
            Write::Done
        );
        assert!(store.has_open_lines(sellers[open]).await.unwrap(), "line {open}");
    }
}

async fn responses_are_erased_with_the_address(store: impl Store) {
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    let closed = payment_failure(&change.order);
    assert_eq!(store.save(&closed).await.unwrap(), Write::Done);
    let erased = closed.order.erase_buyer_data().unwrap();
    assert_eq!(store.save(&erased).await.unwrap(), Write::Done);
    let order = store.order(change.order.order_id).await.unwrap().unwrap();
    assert_eq!((order.address, order.buyer_unregistered), (None, true));
    assert_eq!(stored_record(&store, &change).await, Some(IdempotencyRecord::empty()));
}

async fn unregistered_buyers_are_marked_for_placement(store: impl Store) {
    let (unregistered, other, order) =
        (UserId::derive(&[b"u"]), UserId::derive(&[b"v"]), OrderId::derive(&[b"o"]));
    assert_eq!(store.upsert_if_newer(&product("p", 1)).await.unwrap(), Write::Done);
    assert_eq!(store.mark_unregistered(unregistered).await.unwrap(), Write::Done);
    assert_eq!(store.mark_unregistered(unregistered).await.unwrap(), Write::Conflict(()));
    for (buyer, is_unregistered) in [(unregistered, true), (other, false)] {
        let context = store
            .load_placement_context(order, buyer, &[product("p", 1).product_id], &[])
            .await
            .unwrap();
        assert_eq!((context.buyer_unregistered, context.products.len()), (is_unregistered, 1));
    }
    let change = order_placed_by(unregistered, "k", SystemClock.now());
    let change =
        OrderUpdate { order: Order { buyer_unregistered: true, ..change.order }, ..change };
    insert(&store, &change).await;
    assert!(store.order(change.order.order_id).await.unwrap().unwrap().buyer_unregistered);
}

async fn conditional_placements_require_a_registered_buyer(store: impl Store) {
    let [unregistered, other] = ["u", "v"].map(|name| UserId::derive(&[name.as_bytes()]));
    assert_eq!(store.mark_unregistered(unregistered).await.unwrap(), Write::Done);
    let condition = [PlacementCondition::RegisteredBuyer];
    for (buyer, written) in [(unregistered, Write::Conflict(())), (other, Write::Done)] {
        let change = order_placed_by(buyer, &buyer.to_string(), SystemClock.now());
        assert_eq!(store.insert(&change, &record("r"), &condition).await.unwrap(), written);
        let stored = store.order(change.order.order_id).await.unwrap();
        assert_eq!(stored.is_some(), written.is_done());
    }
}

async fn insert(store: &impl Store, change: &OrderUpdate) {
    assert_eq!(store.insert(change, &record("first"), &[]).await.unwrap(), Write::Done);
}

async fn stored_record(store: &impl Store, change: &OrderUpdate) -> Option<IdempotencyRecord> {
    let (order, buyer) = (change.order.order_id, change.order.user_id);
    store.load_placement_context(order, buyer, &[], &[]).await.unwrap().existing
}

async fn orders_are_read_as_they_were_placed(store: impl Store) {
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    assert_eq!(store.order(change.order.order_id).await.unwrap(), Some(change.order));
    assert_eq!(store.order(OrderId::derive(&[b"none"])).await.unwrap(), None);
}

async fn orders_are_placed_once(store: impl Store) {
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    assert_eq!(store.insert(&change, &record("second"), &[]).await.unwrap(), Write::Conflict(()));
    assert_eq!(stored_record(&store, &change).await, Some(record("first")));
}

async fn updates_preserve_the_first_response(store: impl Store) {
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    let cancelled = payment_failure(&change.order);
    assert_eq!(store.save(&cancelled).await.unwrap(), Write::Done);
    assert_eq!(store.order(change.order.order_id).await.unwrap(), Some(cancelled.order));
    assert_eq!(stored_record(&store, &change).await, Some(record("first")));
}

async fn saving_requires_the_previous_version(store: impl Store) {
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    let cancelled = payment_failure(&change.order);
    assert_eq!(store.save(&cancelled).await.unwrap(), Write::Conflict(()));
    insert(&store, &change).await;
    assert_eq!(store.save(&cancelled).await.unwrap(), Write::Done);
    assert_eq!(store.save(&cancelled).await.unwrap(), Write::Conflict(()));
}

async fn pages(
    store: &impl Store,
    user: UserId,
    state: Option<OrderState>,
    limit: u32,
) -> Vec<OrderId> {
    let mut ids = Vec::new();
    let mut position = None;
    loop {
        let (orders, next) =
            store.list_by_buyer(user, state, limit, position.as_deref()).await.unwrap();
        assert!(orders.len() <= limit as usize);
        ids.extend(orders.into_iter().map(|order| order.order_id));
        position = next;
        if position.is_none() {
            return ids;
        }
    }
}

async fn orders_of_a_buyer_are_paged_newest_first(store: impl Store) {
    let (mine, other) = (UserId::derive(&[b"u"]), UserId::derive(&[b"v"]));
    let mut expected = Vec::new();
    for at in 0..7 {
        let change = order_placed_by(mine, &format!("k{at}"), Timestamp::from_millis(1_000 + at));
        expected.insert(0, change.order.order_id);
        insert(&store, &change).await;
    }
    insert(&store, &order_placed_by(other, "other", Timestamp::from_millis(1_003))).await;
    for limit in [1, 3, 7, 100] {
        assert_eq!(pages(&store, mine, None, limit).await, expected, "page size {limit}");
    }
}

async fn orders_filtered_by_state_are_complete(store: impl Store) {
    let user = UserId::derive(&[b"u"]);
    let mut expected = Vec::new();
    for at in 0..6 {
        let change = order_placed_by(user, &format!("k{at}"), Timestamp::from_millis(1_000 + at));
        insert(&store, &change).await;
        if at % 3 == 0 {
            expected.insert(0, change.order.order_id);
            assert_eq!(store.save(&payment_failure(&change.order)).await.unwrap(), Write::Done);
        }
    }
    assert_eq!(pages(&store, user, Some(OrderState::Cancelled), 2).await, expected);
    assert_eq!(pages(&store, user, Some(OrderState::Pending), 100).await.len(), 4);
    assert!(pages(&store, user, Some(OrderState::Confirmed), 10).await.is_empty());
}

/// The ids that are due, in the order of a sweep.
async fn due(store: &impl Store, now: Timestamp) -> Vec<OrderId> {
    due_entries(store, now).map_ok(|entry| entry.id).try_collect().await.unwrap()
}

async fn expired_orders_are_found_by_deadline(store: impl Store) {
    let user = UserId::derive(&[b"u"]);
    let mut expected = Vec::new();
    for at in 0..20 {
        let change = order_placed_by(user, &format!("k{at}"), Timestamp::from_millis(1_000 * at));
        insert(&store, &change).await;
        match at {
            3 => {
                assert_eq!(store.save(&payment_failure(&change.order)).await.unwrap(), Write::Done)
            }
            0..=10 => expected.push(change.order.order_id),
            _ => {}
        }
    }
    expected.sort_unstable();
    let now = Timestamp::from_millis(10_000).plus(Duration::from_secs(900));
    let mut found = due(&store, now).await;
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(due(&store, Timestamp::from_millis(1)).await, []);
}

async fn expired_orders_of_a_shard_are_read_in_parts(store: impl Store) {
    let user = UserId::derive(&[b"u"]);
    for at in 0..40 {
        let placed = Timestamp::from_millis(1_000 * (at / 3));
        insert(&store, &order_placed_by(user, &format!("k{at}"), placed)).await;
    }
    let now = SystemClock.now();
    for shard in 0..DEADLINES.shards {
        let all = store.due(shard, now, None, 100).await.unwrap();
        assert!(all.is_sorted());
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let part = store.due(shard, now, after.as_ref(), 2).await.unwrap();
            let is_last = part.len() < 2;
            after = part.last().cloned();
            parts.extend(part);
            if is_last {
                break;
            }
        }
        assert_eq!(parts, all);
    }
}

async fn postponed_orders_are_due_later(store: impl Store) {
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    let order = change.order;
    let (deadline, later) = (order.expires_at, order.expires_at.plus(Duration::from_secs(60)));
    let entry = DueEntry { deadline, id: order.order_id };
    assert_eq!(store.postpone(&entry, later).await.unwrap(), Write::Done);
    assert_eq!(store.postpone(&entry, later).await.unwrap(), Write::Conflict(()));
    assert_eq!(due(&store, deadline).await, []);
    assert_eq!(due(&store, later).await, [order.order_id]);
    assert_eq!(store.order(order.order_id).await.unwrap(), Some(order.clone()));

    assert_eq!(store.save(&payment_failure(&order)).await.unwrap(), Write::Done);
    let entry = DueEntry { deadline: later, ..entry };
    assert_eq!(store.postpone(&entry, deadline).await.unwrap(), Write::Conflict(()));
    let unknown = DueEntry { id: OrderId::derive(&[b"none"]), ..entry };
    assert_eq!(store.postpone(&unknown, deadline).await.unwrap(), Write::Conflict(()));
    assert_eq!(due(&store, later).await, []);
}

async fn confirmed_orders_are_found_by_their_lines_deadlines(store: impl Store) {
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    let confirmed = confirmed(&change.order);
    assert_eq!(store.save(&confirmed).await.unwrap(), Write::Done);
    let (order, deadline) = (confirmed.order.order_id, confirmed.order.deadline().unwrap());
    assert_eq!(due(&store, change.order.expires_at).await, []);
    assert_eq!(due(&store, deadline).await, [order]);
    let rejected = confirmed.order.expire(deadline, &EventContext::default()).unwrap();
    assert_eq!(store.save(&rejected).await.unwrap(), Write::Done);
    assert_eq!(due(&store, deadline).await, []);
}

async fn lines_are_read_as_they_were_written(store: impl Store) {
    let (now, cause) = (SystemClock.now(), EventContext::default());
    let change = order_placed_by(UserId::derive(&[b"u"]), "k", now);
    insert(&store, &change).await;
    let quantity = Quantity::new(1).unwrap();
    let record = RequestRecord::new("cancel", 1, "k", &quantity);
    let pieces = Some(PiecesRequest { quantity, record });
    let confirmed = confirmed(&change.order);
    let canceling = confirmed.order.request_cancel(1, pieces, now, &cause).unwrap();
    let mut ended = canceling.order.clone();
    ended.version += 1;
    ended.lines[0].delivered_at = Some(now);
    ended.lines[0].return_request = Some(ReturnRequest {
        requested_at: now,
        count: 1,
        reason: Some(Text::parse("broken").unwrap()),
        decline_reason: None,
        outcome: Some(ReturnOutcome { restock: true, refund: Amount::ZERO }),
    });
    let ended = OrderUpdate { order: ended, events: Vec::new() };
    for update in [confirmed, canceling, ended] {
        assert_eq!(store.save(&update).await.unwrap(), Write::Done);
        let read = store.order(update.order.order_id).await.unwrap();
        assert_eq!(read, Some(update.order));
    }
}

async fn forged_positions_are_refused(store: impl Store) {
    let user = UserId::derive(&[b"u"]);
    insert(&store, &order_placed_by(user, "k", SystemClock.now())).await;
    for position in rialto_testkit::fixtures::forged_positions() {
        for state in [None, Some(OrderState::Pending)] {
            let listed = store.list_by_buyer(user, state, 20, Some(&position)).await;
            assert_eq!(listed, Err(StoreError::InvalidPosition), "{position:?}");
        }
    }
}

async fn only_newer_copies_of_products_are_stored(store: impl Store) {
    let (second, first) = (product("p", 2), product("p", 1));
    assert_eq!(store.upsert_if_newer(&second).await.unwrap(), Write::Done);
    assert_eq!(store.upsert_if_newer(&first).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.upsert_if_newer(&second).await.unwrap(), Write::Conflict(()));
    let unknown = ProductId::derive(&[b"unknown"]);
    let (order, buyer) = (OrderId::derive(&[b"o"]), UserId::derive(&[b"u"]));
    let context = store
        .load_placement_context(order, buyer, &[second.product_id, unknown], &[])
        .await
        .unwrap();
    assert_eq!((context.existing, context.buyer_unregistered), (None, false));
    assert_eq!(context.products, HashMap::from([(second.product_id, second)]));
}
