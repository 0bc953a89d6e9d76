//! The requests that placing an order takes, counted on DynamoDB Local.

use super::place;
use rialto_aws::calls::count_requests;
use rialto_kernel::{Timestamp, Write};
use rialto_orders::{
    SERVICE,
    adapters::dynamodb::DynamoOrders,
    application::place_order::PlaceOrderError,
    fixtures::{PLACED_AT, buyer, pricing_terms, product},
    ports::ProductReplica,
};

#[tokio::test]
async fn placing_an_order_takes_two_requests_with_limits() {
    let store = DynamoOrders::on(rialto_testkit::new_table(SERVICE).await);
    assert_eq!(store.upsert_if_newer(&product()).await.unwrap(), Write::Done);
    let place = |key: &'static str, limit: u32, now: Timestamp| {
        count_requests(place(&store, buyer(), key, limit, now))
    };
    // A new window, a window that is open, and the next one. The first order of a day also records
    // the day.
    let next_window = PLACED_AT.plus(pricing_terms().pending_deadline);
    for (key, now, expected) in [("1", PLACED_AT, 3), ("2", PLACED_AT, 2), ("3", next_window, 2)] {
        let (placed, requests) = place(key, 2, now).await;
        assert_eq!((placed.unwrap().replayed, requests), (false, expected), "{key}");
    }
    let (replayed, requests) = place("1", 1, next_window).await;
    assert_eq!((replayed.unwrap().replayed, requests), (true, 1));
    let (refused, requests) = place("4", 1, next_window).await;
    assert!(matches!(refused, Err(PlaceOrderError::LimitReached { .. })));
    assert_eq!(requests, 1);
    let (placed, requests) = place("4", 0, next_window).await;
    assert_eq!((placed.unwrap().replayed, requests), (false, 2), "without a limit");
}
