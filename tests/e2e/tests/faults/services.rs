//! A service whose internal call to another service fails, hangs and recovers.

use rialto_e2e::{
    faults::Faults,
    http::Answer,
    shop::{DemoAccount, NewProduct, OrderDraft, Shop, address, unique},
    wait::eventually,
};
use rialto_faults::rule::{Fault, Rule};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Rules that make a function's calls to other services fail, break or hang. Hanging calls wait
/// until they are released, so a response before that comes from the caller itself.
fn ways(asker: &str) -> [Rule; 3] {
    let rule = |id: &str, fault| Rule::new(id, fault).by(asker).to("lambda");
    [
        rule("fails", Fault::Error),
        rule("breaks", Fault::Break { done: true }),
        rule("hangs", Fault::Hold { done: false, limit_ms: 60_000 }),
    ]
}

async fn timed(answer: impl Future<Output = Answer>) -> (Answer, Duration) {
    let started = Instant::now();
    let answer = answer.await;
    (answer, started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_read_without_orders_while_orders_is_down() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let ask = || shop.get(format!("/users/{}?include=orders", buyer.id)).token(&buyer.token).send();
    assert_eq!(ask().await.data(200)["orders"], json!([]));
    for rule in ways("accounts-get-user") {
        faults.add(&rule).await;
        // Often enough to open the circuit breaker.
        for _ in 0..5 {
            let (answer, took) = timed(ask()).await;
            let user = answer.data(200);
            assert_eq!(
                (&user["degraded"], user.get("orders")),
                (&json!(["orders"]), None),
                "{}",
                rule.id
            );
            assert_eq!(user["user_id"], buyer.id);
            println!("{}: answered after {took:?}", rule.id);
        }
        assert!(faults.fired(&rule.id).await.fired > 0, "{} never happened", rule.id);
        faults.release(&rule.id).await;
        faults.clear().await;
        eventually("the account to come whole again", async || {
            let user = ask().await.data(200);
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
    let remove = || shop.http.call("DELETE", path.clone()).token(&supervisor.token).send();
    for rule in ways("accounts-unregister-seller") {
        faults.add(&rule).await;
        let (answer, took) = timed(remove()).await;
        assert!(answer.header("retry-after").is_some(), "{answer}");
        answer.problem(503, "unavailable");
        println!("{}: answered after {took:?}", rule.id);
        let read = shop.get(&path).token(&seller.token).send().await.data(200);
        assert_eq!(read["status"], "REGISTERED", "{}", rule.id);
        faults.release(&rule.id).await;
        faults.clear().await;
    }
    eventually("the seller to be removed", async || {
        let answer = remove().await;
        if answer.status == 204 { Ok(()) } else { Err(answer) }
    })
    .await;
}

/// Places an order with a saved address, or with an inline address if `None`.
async fn order(
    shop: &Shop,
    buyer: &DemoAccount,
    product: &str,
    kept: Option<&Value>,
) -> (Answer, Duration) {
    let mut body = OrderDraft::of(&[(product, 1)]).body();
    if let Some(kept) = kept {
        body.as_object_mut().unwrap().remove("address");
        body["address_id"] = kept.clone();
    }
    let call = shop.post(format!("/users/{}/orders", buyer.id), &body).token(&buyer.token);
    timed(call.header("idempotency-key", unique("asked")).send()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_need_an_inline_address_while_accounts_is_down() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Sent home", 100, 50)).await;
    let call = shop.post(format!("/users/{}/addresses", buyer.id), &address()).token(&buyer.token);
    let kept = call.send().await.data(201)["address_id"].clone();
    let orders = format!("/users/{}/orders?limit=100", buyer.id);
    let mut placed = 0;
    for rule in ways("orders-place-order") {
        faults.add(&rule).await;
        for _ in 0..2 {
            let (answer, took) = order(&shop, &buyer, &product, Some(&kept)).await;
            assert!(answer.header("retry-after").is_some(), "{answer}");
            answer.problem(503, "unavailable");
            println!("{}: answered after {took:?}", rule.id);
        }
        order(&shop, &buyer, &product, None).await.0.data(201);
        placed += 1;
        faults.release(&rule.id).await;
        faults.clear().await;
        eventually("an order to a kept address", async || {
            let (answer, _) = order(&shop, &buyer, &product, Some(&kept)).await;
            if answer.status == 201 { Ok(()) } else { Err(answer) }
        })
        .await;
        placed += 1;
    }
    eventually("all orders, and no other, to be listed", async || {
        let found = shop.pages(Some(&buyer), &orders).await.concat().len();
        if found == placed { Ok(()) } else { Err(format!("{found} instead of {placed}")) }
    })
    .await;
}
