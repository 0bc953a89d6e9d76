//! Tables that refuse much of what they are asked for.

use crate::scene;
use futures_util::{StreamExt, future::join_all, stream};
use rialto_e2e::{
    faults::Faults,
    invariants::Books,
    shop::{Account, Basket, Shop, Sketch},
    wait::eventually,
};
use rialto_faults::rule::{Fault, Rule};
use serde_json::{Value, json};

const BUYERS: usize = 20;
const ORDERS: usize = 200;
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn of_200_orders_15_are_kept_though_a_tenth_of_the_writes_collide_and_of_all_calls_are_throttled() {
    rush(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_orders_15_are_kept_though_half_of_the_writes_collide_and_of_all_calls_are_throttled() {
    rush(50).await;
}

/// The functions whose tables refuse: every one that an order passes. Logging in and looking on isn't what is tested.
const FUNCTIONS: &[&str] = &[
    "orders-place-order",
    "inventory-on-orders",
    "orders-on-inventory",
    "orders-on-payments",
    "payments-on-inventory",
    "payments-on-orders",
];

/// `percent` of the writes collide or are throttled, half and half, and of the reads as many are throttled.
async fn rush(percent: u8) {
    let faults = Faults::alone().await;
    let shop = Shop::open();
    let seller = shop.new_seller().await;
    let buyers = join_all((0..BUYERS).map(|_| shop.new_buyer())).await;
    for round in 0..scene::rounds() {
        let a = shop.product(&seller, &Sketch::new("Everybody wants two", 700, 30)).await;
        let b = shop.product(&seller, &Sketch::new("Everybody wants one", 900, 20)).await;
        for function in FUNCTIONS {
            // What comes through the first half meets the second.
            let half = u8::try_from((100 - root(100 * (100 - u32::from(percent)))).min(100)).unwrap();
            let rule = |kind, fault| {
                let rule = Rule::new(format!("{kind}-{function}"), fault).by(function).to("dynamodb");
                rule.chance(half, round)
            };
            faults.add(&rule("conflict", Fault::Conflict)).await;
            faults.add(&rule("throttle", Fault::Throttle)).await;
        }
        let placed = place(&shop, &buyers, &a, &b).await;
        settled(&shop, &buyers).await;
        let books = Books::in_order(&shop.aws, &[&a, &b], &placed).await;
        let mut fired = 0;
        for function in FUNCTIONS {
            for kind in ["conflict", "throttle"] {
                fired += faults.fired(&format!("{kind}-{function}")).await.fired;
            }
        }
        faults.clear().await;
        eprintln!("{percent} %: {fired} calls were refused");
        assert!(fired > 100, "only {fired} calls were refused");
        let ended = |state: &str, reason: Value| {
            let is = |order: &&rialto_orders::domain::order::Order| {
                json!(order.state) == json!(state) && json!(order.reason) == reason
            };
            books.orders.iter().filter(is).count()
        };
        assert_eq!(ended("CONFIRMED", Value::Null), 15);
        assert_eq!(ended("CANCELLED", json!("OUT_OF_STOCK")), ORDERS - 15);
        assert_eq!(shop.stock(&seller, &a).await, (0, 0, 30));
        assert_eq!(shop.stock(&seller, &b).await, (5, 0, 15));
        scene::provider_agrees(&shop, &books, &placed).await;
    }
}

/// The whole part of a square root.
const fn root(number: u32) -> u32 {
    number.isqrt()
}

async fn place(shop: &Shop, buyers: &[Account], a: &str, b: &str) -> Vec<String> {
    let place = |at: usize| async move {
        let basket = Basket::of(&[(a, 2), (b, 1)]);
        scene::place(shop, &buyers[at % buyers.len()], &basket).await
    };
    stream::iter(0..ORDERS).map(place).buffer_unordered(AT_ONCE).collect().await
}

async fn settled(shop: &Shop, buyers: &[Account]) {
    for buyer in buyers {
        eventually("a buyer's orders to be settled", async || {
            let pending = shop.get(format!("/users/{}/orders?state=PENDING", buyer.id));
            let pending = pending.token(&buyer.token).send().await.data(200);
            if pending == json!([]) { Ok(()) } else { Err("some are PENDING") }
        })
        .await;
    }
}
