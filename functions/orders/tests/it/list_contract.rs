//! The contract suite of the lists that aren't a buyer's, run on each adapter.

use rialto_contracts::orders::OrderLineState;
use rialto_kernel::{OrderId, SellerId, StoreError, Timestamp, UserId, Write};
use rialto_orders::{
    SERVICE,
    adapters::{dynamodb::DynamoOrders, memory::MemoryOrders},
    domain::{
        line::OrderLine,
        order::{Order, OrderState, OrderUpdate},
    },
    fixtures::{confirmed, order_placed_by, payment_failure},
    ports::{
        AllOrdersLister, IdempotencyRecord, OrderPage, OrderPlacer, OrderWriter, SellerOrderLister,
    },
};

trait Store: OrderPlacer + OrderWriter + AllOrdersLister + SellerOrderLister {}
impl<S> Store for S where S: OrderPlacer + OrderWriter + AllOrdersLister + SellerOrderLister {}

rialto_testkit::contract! {
    memory: MemoryOrders::default(),
    dynamodb: DynamoOrders::on(rialto_testkit::new_table(SERVICE).await);
    all_orders_are_paged_newest_first,
    all_orders_are_filtered_by_state,
    all_orders_that_share_a_number_are_found,
    forged_positions_of_all_orders_are_refused,
    orders_are_listed_for_each_seller_once_confirmed,
    a_sellers_orders_are_paged_newest_first,
    a_sellers_orders_are_filtered_by_state_of_lines,
    a_sellers_orders_stay_listed_after_their_lines_end,
}

const DAY: i64 = 24 * 3_600 * 1_000;

/// An order of a buyer of its own.
fn order(number: i64, placed_at: i64) -> OrderUpdate {
    let key = format!("o{number}");
    let buyer = UserId::derive(&[key.as_bytes()]);
    order_placed_by(buyer, &key, Timestamp::from_millis(placed_at))
}

async fn insert(store: &impl Store, change: &OrderUpdate) {
    let record = IdempotencyRecord::empty();
    assert_eq!(store.insert(change, &record, &[]).await.unwrap(), Write::Done);
}

/// The ids of all pages of a list.
async fn pages(
    limit: u32,
    page: impl AsyncFn(Option<&str>) -> Result<OrderPage, StoreError>,
) -> Vec<OrderId> {
    let (mut ids, mut position) = (Vec::new(), None);
    loop {
        let (orders, next) = page(position.as_deref()).await.unwrap();
        assert!(orders.len() <= limit as usize);
        ids.extend(orders.iter().map(|order| order.order_id));
        assert!(next.is_none() || next != position, "a page repeats its position");
        position = next;
        if position.is_none() {
            return ids;
        }
    }
}

/// Stores orders of several days, some of them of the same time, and returns them newest first.
async fn insert_orders(store: &impl Store) -> Vec<OrderUpdate> {
    let mut orders = Vec::new();
    for number in 0..40 {
        // Days 0 to 3 with 31, 0, 1 and 8 orders; midnight is among the times.
        let placed_at = match number {
            0..31 => number / 2 * 1_000,
            31 => 2 * DAY,
            _ => 3 * DAY + number,
        };
        let change = order(number, placed_at);
        insert(store, &change).await;
        orders.push(change);
    }
    let key = |change: &OrderUpdate| (change.order.created_at, change.order.order_id.to_string());
    orders.sort_by_key(key);
    orders.reverse();
    orders
}

async fn all_orders_are_paged_newest_first(store: impl Store) {
    assert_eq!(store.list_all(None, 20, None).await.unwrap(), (Vec::new(), None));
    let orders = insert_orders(&store).await;
    let expected: Vec<OrderId> = orders.iter().map(|change| change.order.order_id).collect();
    for limit in [1, 3, 7, 9, 40, 100] {
        let page = async |position: Option<&str>| store.list_all(None, limit, position).await;
        assert_eq!(pages(limit, page).await, expected, "page size {limit}");
    }
    let (first, next) = store.list_all(None, 20, None).await.unwrap();
    assert_eq!((first.len(), next.is_some()), (20, true), "a page of several days is full");
}

async fn all_orders_are_filtered_by_state(store: impl Store) {
    let mut expected = Vec::new();
    for (number, change) in insert_orders(&store).await.into_iter().enumerate() {
        if number % 5 == 0 {
            expected.push(change.order.order_id);
            let failed = payment_failure(&change.order, change.order.created_at);
            assert_eq!(store.save(&failed).await.unwrap(), Write::Done);
        }
    }
    for (state, count) in
        [(OrderState::Cancelled, 8), (OrderState::Pending, 32), (OrderState::Confirmed, 0)]
    {
        let page = async |position: Option<&str>| store.list_all(Some(state), 3, position).await;
        let found = pages(3, page).await;
        assert_eq!(found.len(), count, "{state:?}");
        assert!(state != OrderState::Cancelled || found == expected);
    }
}

async fn all_orders_that_share_a_number_are_found(store: impl Store) {
    let mut alike = Vec::new();
    for (at, id) in ["01m7yq1whx0k2v9d4r7k3f9q2m", "11m7yq1whx0k2v9d4r7k3f9q2m"].iter().enumerate()
    {
        let mut change = order(0, i64::try_from(at).unwrap());
        change.order.order_id = OrderId::parse(&format!("ord_{id}")).unwrap();
        insert(&store, &change).await;
        alike.insert(0, change.order);
    }
    let (other, next_day) = (order(2, 2), order(3, DAY));
    insert(&store, &other).await;
    insert(&store, &next_day).await;

    let number = alike[0].number();
    assert_eq!(number.as_str(), "700101-7K3F9Q2M");
    let found = store.list_by_number(&number, None, 20, None).await.unwrap();
    assert_eq!(found, (alike.clone(), None));
    let (first, next) = store.list_by_number(&number, None, 1, None).await.unwrap();
    assert_eq!(first, alike[..1]);
    let (second, _) = store.list_by_number(&number, None, 1, next.as_deref()).await.unwrap();
    assert_eq!(second, alike[1..]);
    let found = store.list_by_number(&other.order.number(), None, 20, None).await.unwrap();
    assert_eq!(found, (vec![other.order], None));

    let failed = payment_failure(&alike[0], alike[0].created_at);
    assert_eq!(store.save(&failed).await.unwrap(), Write::Done);
    let cancelled = Some(OrderState::Cancelled);
    let (found, _) = store.list_by_number(&number, cancelled, 20, None).await.unwrap();
    assert_eq!(found, [failed.order]);
}

async fn forged_positions_of_all_orders_are_refused(store: impl Store) {
    let change = order(1, 0);
    insert(&store, &change).await;
    let number = change.order.number();
    for position in rialto_testkit::fixtures::forged_positions() {
        let position = Some(position.as_str());
        let refused = Err(StoreError::InvalidPosition);
        assert_eq!(store.list_all(None, 20, position).await, refused, "{position:?}");
        let listed = store.list_by_number(&number, None, 20, position).await;
        assert_eq!(listed, refused, "{position:?}");
        let listed = store.list_by_seller(seller("s1"), None, 20, position).await;
        assert_eq!(listed, refused, "{position:?}");
    }
}

fn seller(name: &str) -> SellerId {
    SellerId::derive(&[name.as_bytes()])
}

/// Stores an order with a line of each of these sellers.
async fn insert_of(store: &impl Store, number: i64, sellers: &[&str]) -> Order {
    let mut change = order(number, number * 1_000);
    let line = change.order.lines[0].clone();
    let lines = sellers.iter().zip(1..).map(|(name, line_no)| OrderLine {
        line_no,
        seller_id: seller(name),
        ..line.clone()
    });
    change.order.lines = lines.collect();
    insert(store, &change).await;
    change.order
}

/// Stores an order with a line of each of these sellers, and confirms it.
async fn insert_confirmed(store: &impl Store, number: i64, sellers: &[&str]) -> Order {
    let change = confirmed(&insert_of(store, number, sellers).await, Timestamp::from_millis(0));
    assert_eq!(store.save(&change).await.unwrap(), Write::Done);
    change.order
}

/// Stores the next version of an order, with these states of its lines.
async fn save_states(store: &impl Store, order: &Order, states: &[OrderLineState]) -> Order {
    let mut order = Order { version: order.version + 1, ..order.clone() };
    for (line, state) in order.lines.iter_mut().zip(states) {
        line.state = *state;
    }
    let change = OrderUpdate { order, events: Vec::new() };
    assert_eq!(store.save(&change).await.unwrap(), Write::Done);
    change.order
}

async fn listed(
    store: &impl Store,
    name: &str,
    state: Option<OrderLineState>,
    limit: u32,
) -> Vec<OrderId> {
    let seller = seller(name);
    pages(limit, async |position| store.list_by_seller(seller, state, limit, position).await).await
}

async fn orders_are_listed_for_each_seller_once_confirmed(store: impl Store) {
    let pending = insert_of(&store, 1, &["s1", "s2", "s3", "s2"]).await;
    let cancelled = insert_of(&store, 2, &["s1", "s2"]).await;
    let failed = payment_failure(&cancelled, cancelled.created_at);
    assert_eq!(store.save(&failed).await.unwrap(), Write::Done);
    for name in ["s1", "s2", "s3"] {
        assert_eq!(listed(&store, name, None, 20).await, [], "{name}");
    }
    let change = confirmed(&pending, pending.created_at);
    assert_eq!(store.save(&change).await.unwrap(), Write::Done);
    for name in ["s1", "s2", "s3"] {
        let (orders, next) = store.list_by_seller(seller(name), None, 20, None).await.unwrap();
        assert_eq!((orders, next), (vec![change.order.clone()], None), "{name}");
    }
    assert_eq!(listed(&store, "another", None, 20).await, []);
}

async fn a_sellers_orders_are_paged_newest_first(store: impl Store) {
    let mut expected = Vec::new();
    for number in 0..8 {
        let sellers = if number % 2 == 0 { ["s1", "s2"] } else { ["s2", "s3"] };
        expected.insert(0, insert_confirmed(&store, number, &sellers).await.order_id);
    }
    insert_confirmed(&store, 8, &["s1"]).await;
    for limit in [1, 3, 8, 100] {
        assert_eq!(listed(&store, "s2", None, limit).await, expected, "page size {limit}");
    }
}

async fn a_sellers_orders_are_filtered_by_state_of_lines(store: impl Store) {
    use OrderLineState::{Accepted, Ordered, Rejected};
    let first = insert_confirmed(&store, 1, &["s1", "s2", "s2"]).await;
    let second = insert_confirmed(&store, 2, &["s1", "s2"]).await;
    let first = save_states(&store, &first, &[Rejected, Accepted, Ordered]).await.order_id;
    let second = save_states(&store, &second, &[Accepted, Ordered]).await.order_id;
    for (name, state, expected) in [
        ("s1", Accepted, vec![second]),
        ("s1", Rejected, vec![first]),
        ("s1", Ordered, vec![]),
        ("s2", Accepted, vec![first]),
        ("s2", Ordered, vec![second, first]),
        ("s2", Rejected, vec![]),
    ] {
        assert_eq!(listed(&store, name, Some(state), 1).await, expected, "{name} {state:?}");
    }
}

async fn a_sellers_orders_stay_listed_after_their_lines_end(store: impl Store) {
    use OrderLineState::{Cancelled, Ordered, Rejected};
    let mut order = insert_confirmed(&store, 1, &["s1", "s2", "s3"]).await;
    for states in [
        [Rejected, Ordered, Ordered],
        [Rejected, Cancelled, Ordered],
        [Rejected, Cancelled, Cancelled],
    ] {
        order = save_states(&store, &order, &states).await;
        for name in ["s1", "s2", "s3"] {
            let found = listed(&store, name, None, 1).await;
            assert_eq!(found, [order.order_id], "{name} {states:?}");
        }
    }
}
