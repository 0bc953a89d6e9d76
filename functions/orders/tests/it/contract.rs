//! What every adapter of orders' ports must do.

use rialto_contracts::{
    Event, EventContext,
    catalog::ProductStatus,
    orders::CancelReason,
    payments::{PaymentCaptured, PaymentFailed},
};
use rialto_kernel::{
    Address, Amount, Clock, Currency, DropOff, OrderId, PaymentId, Phone, ProductId, Quantity,
    SellerId, SystemClock, Text, Timestamp, UserId, Write,
};
use rialto_orders::{
    SERVICE,
    adapters::{
        dynamodb::{DEADLINES, DynamoOrders},
        memory::MemoryOrders,
    },
    domain::{
        order::{Line, LineState, Order, OrderState, OrderUpdate, Transition},
        product::Product,
        quote::{PricingTerms, Quote},
        request::{OrderRequest, PaymentMethod, RequestedLine},
    },
    ports::{
        ExpiredOrders, IdempotencyRecord, OpenLineReader, OrderLister, OrderPlacer, OrderWriter,
        ProductReplica, UnregisteredBuyers,
    },
};
use std::{collections::HashMap, time::Duration};

trait Store:
    OrderPlacer
    + OrderWriter
    + OrderLister
    + ExpiredOrders
    + OpenLineReader
    + UnregisteredBuyers
    + ProductReplica
{
}
impl<S> Store for S where
    S: OrderPlacer
        + OrderWriter
        + OrderLister
        + ExpiredOrders
        + OpenLineReader
        + UnregisteredBuyers
        + ProductReplica
{
}

/// Runs each rule on each adapter, on a store of its own.
macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $rule() { super::$rule(super::MemoryOrders::default()).await; })*
        }
        mod dynamodb {
            $(#[tokio::test] async fn $rule() {
                let table = rialto_testkit::new_table(super::SERVICE).await;
                super::$rule(super::DynamoOrders::on(table)).await;
            })*
        }
    };
}

contract! {
    an_order_reads_back_as_it_was_placed,
    an_order_is_placed_once,
    the_first_answer_stays_when_the_order_moves,
    an_order_is_saved_over_its_version_only,
    a_buyers_orders_are_listed_newest_first_page_by_page,
    a_list_by_state_finds_all_of_them,
    what_is_due_is_found_by_its_deadline,
    unsettled_due_orders_do_not_starve_others,
    open_lines_are_found_for_each_seller,
    a_line_stays_open_when_another_sellers_has_ended,
    what_placing_left_is_forgotten_with_the_address,
    an_unregistered_buyer_is_known_when_an_order_is_placed,
    the_newest_copy_of_a_product_is_kept,
}

fn product(name: &str, version: u64) -> Product {
    Product {
        product_id: ProductId::derive(&[name.as_bytes()]),
        seller_id: SellerId::derive(&[b"s"]),
        title: format!("{name} {version}"),
        price: Amount::new(1_000).unwrap(),
        status: ProductStatus::Sell,
        version,
    }
}

fn placed(user: UserId, key: &str, now: Timestamp) -> OrderUpdate {
    let product = product("p", 1);
    let request = OrderRequest {
        lines: vec![RequestedLine {
            product_id: product.product_id,
            quantity: Quantity::new(2).unwrap(),
        }],
        address: Address {
            receiver: Text::parse("Kim Example").unwrap(),
            line1: Text::parse("1 Test Street").unwrap(),
            line2: None,
            zipcode: Text::parse("12345").unwrap(),
            phone: Phone::parse("+491701234567").unwrap(),
            drop_off: DropOff::Own,
            note: Some(Text::parse("ring twice").unwrap()),
        },
        payment_method: PaymentMethod::parse("pm_card_visa").unwrap(),
        expected_total: None,
    };
    let terms = PricingTerms {
        currency: Currency::parse("EUR").unwrap(),
        shipping_fee: Amount::new(300).unwrap(),
        free_shipping_from: Amount::new(5_000).unwrap(),
        pending_deadline: Duration::from_secs(900),
    };
    let products = HashMap::from([(product.product_id, product)]);
    let quote = Quote::new(&request.lines, &products, &terms).unwrap();
    Order::place(
        OrderId::derive(&[key.as_bytes()]),
        user,
        &request,
        quote,
        &terms,
        now,
        &EventContext::default(),
    )
}

fn placing(answer: &str) -> IdempotencyRecord {
    IdempotencyRecord { body_hash: "hash".to_owned(), response_body: answer.to_owned() }
}

fn cancelled(order: &Order) -> OrderUpdate {
    let failed = PaymentFailed { order_id: order.order_id, reason: "card_declined".to_owned() };
    let event = Event::new(&failed, 2, 0, SystemClock.now(), &EventContext::default());
    let effect = Transition::Cancel(CancelReason::PaymentFailed);
    order.apply(&event, effect, SystemClock.now(), &EventContext::default()).unwrap()
}

fn confirmed(order: &Order) -> OrderUpdate {
    let captured = PaymentCaptured {
        order_id: order.order_id,
        payment_id: PaymentId::derive(&[b"p"]),
        amount: order.total,
    };
    let event = Event::new(&captured, 2, 0, SystemClock.now(), &EventContext::default());
    order.apply(&event, Transition::Confirm, SystemClock.now(), &EventContext::default()).unwrap()
}

/// An order with a line of each of these sellers.
fn sold_by(sellers: &[SellerId]) -> OrderUpdate {
    let mut change = placed(UserId::derive(&[b"u"]), "k", SystemClock.now());
    let line = change.order.lines[0].clone();
    let lines = sellers.iter().zip(1..).map(|(seller_id, line_no)| Line {
        line_no,
        seller_id: *seller_id,
        ..line.clone()
    });
    change.order.lines = lines.collect();
    change
}

async fn open_lines_are_found_for_each_seller(store: impl Store) {
    let sellers = [b"s1", b"s2", b"s3"].map(|name| SellerId::derive(&[name.as_slice()]));
    let change = sold_by(&sellers);
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

async fn a_line_stays_open_when_another_sellers_has_ended(store: impl Store) {
    let sellers = [b"s1", b"s2"].map(|name| SellerId::derive(&[name.as_slice()]));
    for (ends, stays) in [(0, 1), (1, 0)] {
        let change = sold_by(&sellers);
        let order = Order { order_id: OrderId::derive(&[&[ends]]), ..change.order };
        insert(&store, &OrderUpdate { order: order.clone(), events: Vec::new() }).await;
        let confirmed = confirmed(&order);
        assert_eq!(store.save(&confirmed).await.unwrap(), Write::Done);
        let mut order = Order { version: confirmed.order.version + 1, ..confirmed.order };
        order.lines[usize::from(ends)].state = LineState::Cancelled;
        assert_eq!(
            store.save(&OrderUpdate { order, events: Vec::new() }).await.unwrap(),
            Write::Done
        );
        assert!(store.has_open_lines(sellers[stays]).await.unwrap(), "line {stays}");
    }
}

async fn what_placing_left_is_forgotten_with_the_address(store: impl Store) {
    let change = placed(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    let ended = cancelled(&change.order);
    assert_eq!(store.save(&ended).await.unwrap(), Write::Done);
    let forgotten = ended.order.erase_buyer_data().unwrap();
    assert_eq!(store.save(&forgotten).await.unwrap(), Write::Done);
    let order = store.order(change.order.order_id).await.unwrap().unwrap();
    assert_eq!((order.address, order.buyer_unregistered), (None, true));
    let left = store
        .load_placement_context(change.order.order_id, change.order.user_id, &[])
        .await
        .unwrap()
        .placed;
    assert_eq!(
        left,
        Some(IdempotencyRecord { body_hash: String::new(), response_body: String::new() })
    );
}

async fn an_unregistered_buyer_is_known_when_an_order_is_placed(store: impl Store) {
    let (gone, other, order) =
        (UserId::derive(&[b"u"]), UserId::derive(&[b"v"]), OrderId::derive(&[b"o"]));
    assert_eq!(store.upsert_if_newer(&product("p", 1)).await.unwrap(), Write::Done);
    assert_eq!(store.mark_unregistered(gone).await.unwrap(), Write::Done);
    assert_eq!(store.mark_unregistered(gone).await.unwrap(), Write::Conflict(()));
    for (buyer, is_gone) in [(gone, true), (other, false)] {
        let known = store
            .load_placement_context(order, buyer, &[product("p", 1).product_id])
            .await
            .unwrap();
        assert_eq!((known.buyer_gone, known.products.len()), (is_gone, 1));
    }
    let change = placed(gone, "k", SystemClock.now());
    let change =
        OrderUpdate { order: Order { buyer_unregistered: true, ..change.order }, ..change };
    insert(&store, &change).await;
    assert!(store.order(change.order.order_id).await.unwrap().unwrap().buyer_unregistered);
}

async fn insert(store: &impl Store, change: &OrderUpdate) {
    assert_eq!(store.insert(change, &placing("answer")).await.unwrap(), Write::Done);
}

async fn an_order_reads_back_as_it_was_placed(store: impl Store) {
    let change = placed(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    assert_eq!(store.order(change.order.order_id).await.unwrap(), Some(change.order));
    assert_eq!(store.order(OrderId::derive(&[b"none"])).await.unwrap(), None);
}

async fn an_order_is_placed_once(store: impl Store) {
    let change = placed(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    assert_eq!(store.insert(&change, &placing("another")).await.unwrap(), Write::Conflict(()));
    let known = store
        .load_placement_context(change.order.order_id, change.order.user_id, &[])
        .await
        .unwrap();
    assert_eq!(known.placed, Some(placing("answer")));
}

async fn the_first_answer_stays_when_the_order_moves(store: impl Store) {
    let change = placed(UserId::derive(&[b"u"]), "k", SystemClock.now());
    insert(&store, &change).await;
    let cancelled = cancelled(&change.order);
    assert_eq!(store.save(&cancelled).await.unwrap(), Write::Done);
    assert_eq!(store.order(change.order.order_id).await.unwrap(), Some(cancelled.order));
    let known = store
        .load_placement_context(change.order.order_id, change.order.user_id, &[])
        .await
        .unwrap();
    assert_eq!(known.placed, Some(placing("answer")));
}

async fn an_order_is_saved_over_its_version_only(store: impl Store) {
    let change = placed(UserId::derive(&[b"u"]), "k", SystemClock.now());
    let moved = cancelled(&change.order);
    assert_eq!(store.save(&moved).await.unwrap(), Write::Conflict(()));
    insert(&store, &change).await;
    assert_eq!(store.save(&moved).await.unwrap(), Write::Done);
    assert_eq!(store.save(&moved).await.unwrap(), Write::Conflict(()));
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

async fn a_buyers_orders_are_listed_newest_first_page_by_page(store: impl Store) {
    let (mine, other) = (UserId::derive(&[b"u"]), UserId::derive(&[b"v"]));
    let mut expected = Vec::new();
    for at in 0..7 {
        let change = placed(mine, &format!("k{at}"), Timestamp::from_millis(1_000 + at));
        expected.insert(0, change.order.order_id);
        insert(&store, &change).await;
    }
    insert(&store, &placed(other, "other", Timestamp::from_millis(1_003))).await;
    for limit in [1, 3, 7, 100] {
        assert_eq!(pages(&store, mine, None, limit).await, expected, "{limit} a page");
    }
}

async fn a_list_by_state_finds_all_of_them(store: impl Store) {
    let user = UserId::derive(&[b"u"]);
    let mut expected = Vec::new();
    for at in 0..6 {
        let change = placed(user, &format!("k{at}"), Timestamp::from_millis(1_000 + at));
        insert(&store, &change).await;
        if at % 3 == 0 {
            expected.insert(0, change.order.order_id);
            assert_eq!(store.save(&cancelled(&change.order)).await.unwrap(), Write::Done);
        }
    }
    assert_eq!(pages(&store, user, Some(OrderState::Cancelled), 2).await, expected);
    assert_eq!(pages(&store, user, Some(OrderState::Pending), 100).await.len(), 4);
    assert!(pages(&store, user, Some(OrderState::Confirmed), 10).await.is_empty());
}

async fn what_is_due_is_found_by_its_deadline(store: impl Store) {
    let user = UserId::derive(&[b"u"]);
    let mut expected = Vec::new();
    for at in 0..20 {
        let change = placed(user, &format!("k{at}"), Timestamp::from_millis(1_000 * at));
        insert(&store, &change).await;
        match at {
            3 => assert_eq!(store.save(&cancelled(&change.order)).await.unwrap(), Write::Done),
            0..=10 => expected.push(change.order.order_id),
            _ => {}
        }
    }
    expected.sort_unstable();
    let now = Timestamp::from_millis(10_000).plus(Duration::from_secs(900));
    let mut due = store.due_before(now, 100).await.unwrap();
    due.sort_unstable();
    assert_eq!(due, expected);
    assert_eq!(store.due_before(now, 4).await.unwrap().len(), 4);
    assert!(store.due_before(Timestamp::from_millis(1), 100).await.unwrap().is_empty());
}

async fn unsettled_due_orders_do_not_starve_others(store: impl Store) {
    let user = UserId::generate(SystemClock.now());
    let in_shard = |shard: u8, count: usize| {
        let partition = DEADLINES.partition_for_shard(shard);
        let all = (0..).map(move |at| placed(user, &format!("k{at}"), Timestamp::from_millis(at)));
        let listed = move |change: &OrderUpdate| {
            DEADLINES.partition_for(&change.order.order_id.to_string()) == partition
        };
        all.filter(listed).take(count).collect::<Vec<_>>()
    };
    for change in in_shard(0, 20) {
        insert(&store, &change).await;
    }
    let other = in_shard(7, 1).remove(0);
    insert(&store, &other).await;
    let now = other.order.expires_at.plus(Duration::from_secs(900));
    let due = store.due_before(now, 16).await.unwrap();
    assert!(due.contains(&other.order.order_id), "{due:?}");
}

async fn the_newest_copy_of_a_product_is_kept(store: impl Store) {
    let (second, first) = (product("p", 2), product("p", 1));
    assert_eq!(store.upsert_if_newer(&second).await.unwrap(), Write::Done);
    assert_eq!(store.upsert_if_newer(&first).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.upsert_if_newer(&second).await.unwrap(), Write::Conflict(()));
    let unknown = ProductId::derive(&[b"unknown"]);
    let (order, buyer) = (OrderId::derive(&[b"o"]), UserId::derive(&[b"u"]));
    let known =
        store.load_placement_context(order, buyer, &[second.product_id, unknown]).await.unwrap();
    assert_eq!((known.placed, known.buyer_gone), (None, false));
    assert_eq!(known.products, HashMap::from([(second.product_id, second)]));
}
