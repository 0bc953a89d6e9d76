//! Requests repeated with the same Idempotency-Key.

use futures_util::future::join_all;
use rialto_e2e::{
    http::{HttpRequest, HttpResponse},
    invariants::SagaTables,
    shop::{NewProduct, OrderDraft, Shop, unique},
};
use serde_json::json;

const CONCURRENCY: usize = 32;
const ROUNDS: usize = 10;

/// Sends a request from many clients at once.
async fn at_once(call: &HttpRequest) -> Vec<HttpResponse> {
    let tasks = (0..CONCURRENCY).map(|_| tokio::spawn(call.clone().send()));
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

fn is_replay(response: &HttpResponse) -> bool {
    match response.header("idempotent-replayed") {
        None => false,
        Some("true") => true,
        Some(other) => panic!("Idempotent-Replayed: {other}"),
    }
}

/// Asserts that one response is the original, and that all others repeat it byte for byte.
fn assert_one_and_replays(responses: &[HttpResponse], status: u16) {
    assert!(
        responses.iter().all(|response| response.status == status),
        "{:?}",
        responses.iter().map(ToString::to_string)
    );
    assert_eq!(
        responses.iter().filter(|response| !is_replay(response)).count(),
        1,
        "exactly one response is the original"
    );
    for response in responses {
        assert_eq!(response.text(), responses[0].text());
        assert_eq!(response.header("location"), responses[0].header("location"));
        assert_eq!(response.header("content-type"), Some("application/json"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_place_one_order() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Wanted once", 600, 1000)).await;
    let mut orders = Vec::new();
    for _ in 0..ROUNDS {
        let draft = OrderDraft::of(&[(&product, 1)]);
        let responses = at_once(&shop.place_request(&buyer, &draft)).await;
        assert_one_and_replays(&responses, 201);
        orders.push(responses[0].json()["data"]["order_id"].as_str().unwrap().to_owned());
    }
    let listed =
        shop.pages(Some(&buyer), &format!("/users/{}/orders?limit=100", buyer.id)).await.concat();
    let mut listed: Vec<_> =
        listed.iter().map(|order| order["order_id"].as_str().unwrap()).collect();
    // The list is newest first.
    listed.reverse();
    assert_eq!(listed, orders);
    for order in &orders {
        assert_eq!(shop.wait_until_settled(&buyer, order).await["state"], "CONFIRMED");
    }
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &orders).await;
    assert_eq!(shop.stock(&seller, &product).await, (1000 - 10, 0, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_belong_to_one_buyer_and_one_body() {
    let shop = Shop::open();
    let (seller, buyer, other) =
        (shop.new_seller().await, shop.new_buyer().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Wanted once", 600, 10)).await;
    let first = OrderDraft::of(&[(&product, 1)]);
    let order = shop.place(&buyer, &first).await;
    let another = OrderDraft { key: first.key.clone(), ..OrderDraft::of(&[(&product, 2)]) };
    shop.place_request(&buyer, &another).send().await.problem(422, "key_reused");
    // Bodies that differ only in white space and the order of fields are equal.
    let text = serde_json::to_string_pretty(&first.body()).unwrap();
    let again =
        shop.http.request("POST", format!("/users/{}/orders", buyer.id)).token(&buyer.token);
    let again = again
        .header("idempotency-key", first.key.clone())
        .body("application/json", text)
        .send()
        .await;
    assert!(is_replay(&again), "{again}");
    let others = shop.place(&other, &another).await;
    assert_ne!(others, order);
    shop.wait_until_settled(&buyer, &order).await;
    shop.wait_until_settled(&other, &others).await;
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order, others]).await;
    assert_eq!(shop.stock(&seller, &product).await, (7, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_without_a_key_are_rejected() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let body = OrderDraft::of(&[("prd_01kaka00000000000000000001", 1)]).body();
    let call = shop.post(format!("/users/{}/orders", buyer.id), &body).token(&buyer.token);
    assert_eq!(call.send().await.is_problem(400, "invalid", &["Idempotency-Key"]), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_return_the_original_response_after_changes() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Price goes up", 600, 10)).await;
    let draft = OrderDraft::of(&[(&product, 1)]);
    let first = shop.place_request(&buyer, &draft).send().await.expect(201);
    let order = first.json()["data"]["order_id"].as_str().unwrap().to_owned();
    shop.wait_until_settled(&buyer, &order).await;

    let price_change = shop.patch(format!("/products/{product}"), &json!({ "price": 999 }));
    price_change.token(&seller.token).send().await.data(200);
    shop.set_status(&seller, &product, "UNREGISTERED").await;
    rialto_e2e::wait::eventually(
        "orders to consume that the product isn't sold any more",
        async || {
            let fresh = OrderDraft { key: unique("fresh"), ..draft.clone() };
            let mut body = fresh.body();
            body["expected_total"] = json!(0);
            let call = shop.post(format!("/users/{}/orders", buyer.id), &body).token(&buyer.token);
            call.header("idempotency-key", fresh.key).send().await.is_problem(
                409,
                "not_orderable",
                &[],
            )
        },
    )
    .await;

    let again = shop.place_request(&buyer, &draft).send().await;
    assert!(is_replay(&again), "{again}");
    assert_eq!((again.status, again.text()), (201, first.text()));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.json()["data"]["state"], "PENDING", "the original response");
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_adjust_stock_once() {
    let shop = Shop::open();
    let seller = shop.new_seller().await;
    let product = shop.product(&seller, &NewProduct::new("Counted", 600, 10)).await;
    let path = format!("/products/{product}/stock/adjustments");
    let adjusting = |quantity: i64| {
        let body = json!({ "quantity": quantity, "reason": "counted" });
        shop.post(path.clone(), &body).token(&seller.token).header("idempotency-key", "count")
    };
    let responses = at_once(&adjusting(-4)).await;
    assert_one_and_replays(&responses, 200);
    adjusting(-3).send().await.problem(422, "key_reused");
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &[]).await;
    assert_eq!(shop.stock(&seller, &product).await, (6, 0, 0));
}
