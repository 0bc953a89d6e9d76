//! A service whose internal call to another service fails, hangs and recovers.

use rialto_e2e::{
    faults::Faults,
    http::HttpResponse,
    shop::{DemoAccount, NewProduct, OrderDraft, Shop, address, unique},
    wait::eventually,
};
use rialto_faults::rule::{Fault, Rule};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Rules that make a function's calls to other services fail, break or hang. Hanging calls wait
/// until they are released, so a response before that comes from the caller itself.
fn fault_rules(caller: &str) -> [Rule; 3] {
    let rule = |id: &str, fault| Rule::new(id, fault).by(caller).to("lambda");
    [
        rule("fails", Fault::Error),
        rule("breaks", Fault::Break { done: true }),
        rule("hangs", Fault::Hold { done: false, limit_ms: 60_000 }),
    ]
}

async fn timed(response: impl Future<Output = HttpResponse>) -> (HttpResponse, Duration) {
    let started = Instant::now();
    let response = response.await;
    (response, started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_read_without_orders_while_orders_is_down() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let get_user =
        || shop.get(format!("/users/{}?include=orders", buyer.id)).token(&buyer.token).send();
    assert_eq!(get_user().await.data(200)["orders"], json!([]));
    for rule in fault_rules("accounts-get-user") {
        faults.add(&rule).await;
        // Often enough to open the circuit breaker.
        for _ in 0..5 {
            let (response, took) = timed(get_user()).await;
            let user = response.data(200);
            assert_eq!(
                (&user["degraded"], user.get("orders")),
                (&json!(["orders"]), None),
                "{}",
                rule.id
            );
            assert_eq!(user["user_id"], buyer.id);
            println!("{}: response after {took:?}", rule.id);
        }
        assert!(faults.fired(&rule.id).await.fired > 0, "{} never fired", rule.id);
        faults.release(&rule.id).await;
        faults.clear().await;
        eventually("the account with its orders again", async || {
            let user = get_user().await.data(200);
            if user["orders"] == json!([]) && user.get("degraded").is_none() {
                Ok(())
            } else {
                Err(user)
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_are_not_unregistered_while_orders_is_down() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let (seller, supervisor) = (shop.new_seller().await, shop.supervisor().await);
    let path = format!("/sellers/{}", seller.id);
    let remove = || shop.http.request("DELETE", path.clone()).token(&supervisor.token).send();
    for rule in fault_rules("accounts-unregister-seller") {
        faults.add(&rule).await;
        let (response, took) = timed(remove()).await;
        assert!(response.header("retry-after").is_some(), "{response}");
        response.problem(503, "unavailable");
        println!("{}: response after {took:?}", rule.id);
        let read = shop.get(&path).token(&seller.token).send().await.data(200);
        assert_eq!(read["status"], "REGISTERED", "{}", rule.id);
        faults.release(&rule.id).await;
        faults.clear().await;
    }
    eventually("the seller to be removed", async || {
        let response = remove().await;
        if response.status == 204 { Ok(()) } else { Err(response) }
    })
    .await;
}

/// Places an order with a saved address, or with an inline address if `None`.
async fn order(
    shop: &Shop,
    buyer: &DemoAccount,
    product: &str,
    saved: Option<&Value>,
) -> (HttpResponse, Duration) {
    let mut body = OrderDraft::of(&[(product, 1)]).body();
    if let Some(saved) = saved {
        body.as_object_mut().unwrap().remove("address");
        body["address_id"] = saved.clone();
    }
    let call = shop.post(format!("/users/{}/orders", buyer.id), &body).token(&buyer.token);
    timed(call.header("idempotency-key", unique("key")).send()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_need_an_inline_address_while_accounts_is_down() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Sent home", 100, 50)).await;
    let call = shop.post(format!("/users/{}/addresses", buyer.id), &address()).token(&buyer.token);
    let saved = call.send().await.data(201)["address_id"].clone();
    let orders = format!("/users/{}/orders?limit=100", buyer.id);
    let mut placed = 0;
    for rule in fault_rules("orders-place-order") {
        faults.add(&rule).await;
        for _ in 0..2 {
            let (response, took) = order(&shop, &buyer, &product, Some(&saved)).await;
            assert!(response.header("retry-after").is_some(), "{response}");
            response.problem(503, "unavailable");
            println!("{}: response after {took:?}", rule.id);
        }
        order(&shop, &buyer, &product, None).await.0.data(201);
        placed += 1;
        faults.release(&rule.id).await;
        faults.clear().await;
        eventually("an order with a saved address", async || {
            let (response, _) = order(&shop, &buyer, &product, Some(&saved)).await;
            if response.status == 201 { Ok(()) } else { Err(response) }
        })
        .await;
        placed += 1;
    }
    eventually("exactly these orders to be listed", async || {
        let found = shop.pages(Some(&buyer), &orders).await.concat().len();
        if found == placed { Ok(()) } else { Err(format!("got {found}, expected {placed}")) }
    })
    .await;
}
