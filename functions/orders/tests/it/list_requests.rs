//! The requests that a page of a buyer's orders takes, counted on DynamoDB Local.

use futures_util::{StreamExt, stream};
use rialto_aws::calls::count_requests;
use rialto_kernel::{Timestamp, UserId, Write};
use rialto_orders::{
    SERVICE,
    adapters::dynamodb::DynamoOrders,
    domain::order::{Order, OrderState},
    fixtures::order_placed_by,
    ports::{IdempotencyRecord, OrderLister, OrderPage, OrderPlacer},
};

/// Stores the buyer's orders of these times; CONFIRMED those of `confirmed`, the others CANCELLED.
async fn insert(
    store: &DynamoOrders,
    user: UserId,
    times: std::ops::Range<i64>,
    confirmed: &[i64],
) {
    let orders = times.map(|at| async move {
        let mut change =
            order_placed_by(user, &format!("order {at}"), Timestamp::from_millis(at * 1_000));
        let is_confirmed = confirmed.contains(&at);
        change.order.state =
            if is_confirmed { OrderState::Confirmed } else { OrderState::Cancelled };
        let written = store.insert(&change, &IdempotencyRecord::empty(), &[]).await.unwrap();
        assert_eq!(written, Write::Done);
    });
    stream::iter(orders).buffer_unordered(20).collect::<Vec<()>>().await;
}

async fn page(
    store: &DynamoOrders,
    user: UserId,
    state: Option<OrderState>,
    position: Option<&str>,
) -> (OrderPage, u32) {
    let (page, requests) = count_requests(store.list_by_buyer(user, state, 20, position)).await;
    (page.unwrap(), requests)
}

/// The times in seconds of a page's orders.
fn times(orders: &[Order]) -> Vec<i64> {
    orders.iter().map(|order| order.created_at.millis() / 1_000).collect()
}

#[tokio::test]
async fn a_page_by_state_takes_a_bounded_number_of_requests() {
    let store = DynamoOrders::on(rialto_testkit::new_table(SERVICE).await);
    let user = UserId::derive(&[b"u"]);
    // The newest 19 orders match, and then only the oldest of a thousand.
    let mut newest: Vec<i64> = (1_981..2_000).collect();
    let confirmed = [&[1_000, 500], newest.as_slice()].concat();
    insert(&store, user, 1_000..2_000, &confirmed).await;
    newest.reverse();

    let ((orders, next), requests) = page(&store, user, Some(OrderState::Confirmed), None).await;
    assert_eq!(times(&orders), [newest.as_slice(), &[1_000]].concat());
    // Chunks of 20, nine times 100, and 80; each is a query and a batch.
    assert_eq!(requests, 22);
    if next.is_some() {
        let ((orders, next), requests) =
            page(&store, user, Some(OrderState::Confirmed), next.as_deref()).await;
        assert_eq!((orders, next, requests), (vec![], None, 1));
    }
    let (_, requests) = page(&store, user, None, None).await;
    assert_eq!(requests, 2);

    // A thousand older orders don't change that.
    insert(&store, user, 0..1_000, &confirmed).await;
    let ((orders, next), requests) = page(&store, user, Some(OrderState::Confirmed), None).await;
    assert_eq!((times(&orders).len(), requests), (20, 22));
    let ((orders, _), requests) =
        page(&store, user, Some(OrderState::Confirmed), next.as_deref()).await;
    assert_eq!((times(&orders), requests), (vec![500], 22));
    let (_, requests) = page(&store, user, None, None).await;
    assert_eq!(requests, 2);
}
