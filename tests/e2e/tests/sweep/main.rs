//! The sweep with a clock of its own: after the other tests, because it settles every order of the stage.

use rialto_e2e::{
    shop::{Basket, Shop, Sketch},
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_cancels_what_nobody_settled_and_nothing_before_its_time() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &Sketch::new("Never paid for", 700, 10)).await;
    // The provider only promises an answer, so the order stays PENDING.
    let order = shop.place(&buyer, &Basket::of(&[(&product, 2)]).paid_by("pm_sim_async")).await;
    eventually("the stock to be reserved", async || {
        let stock = shop.stock(&seller, &product).await;
        if stock == (8, 2, 0) { Ok(()) } else { Err(format!("{stock:?}")) }
    })
    .await;

    sweep(&shop, SystemClock.now().plus(Duration::from_secs(14 * 60))).await;
    assert_eq!(shop.order(&buyer, &order).await["state"], "PENDING");
    sweep(&shop, SystemClock.now().plus(Duration::from_secs(15 * 60))).await;
    let cancelled = shop.order(&buyer, &order).await;
    assert_eq!((&cancelled["state"], &cancelled["reason"]), (&json!("CANCELLED"), &json!("TIMEOUT")));
    eventually("the stock to come back", async || {
        let stock = shop.stock(&seller, &product).await;
        if stock == (10, 0, 0) { Ok(()) } else { Err(format!("{stock:?}")) }
    })
    .await;
}

async fn sweep(shop: &Shop, now: Timestamp) -> Value {
    shop.aws.invoke("orders-sweep", &json!({ "now": now })).await
}
