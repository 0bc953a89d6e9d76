//! The emulator stopped in mid-saga, with its state kept, and started again.

use crate::scene::{self, QUEUES};
use futures_util::{StreamExt, future::join_all, stream};
use rialto_e2e::{
    faults::Faults,
    invariants::Books,
    operator::Operator,
    retries::all_quickly,
    shop::{Basket, DECLINES, PAYS, Shop, Sketch},
};
use rialto_faults::rule::{Fault, Rule};
use rialto_orders::domain::order::OrderState;
use serde_json::{Value, json};
use std::{path::Path, process::Command};

const ORDERS: usize = 48;
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_stopped_in_mid_saga_and_started_again_finishes_every_saga() {
    let faults = Faults::alone().await;
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &Sketch::new("Keeps", 700, 1_000)).await;
    let rare = shop.product(&seller, &Sketch::new("Hardly there", 700, 1)).await;
    let (shop, buyer, product, rare) = (&shop, &buyer, product.as_str(), rare.as_str());
    for _ in 0..scene::rounds() {
        let orders = all_quickly(&shop.aws, QUEUES, async {
            // So that orders are under way at every step when it stops.
            for function in ["inventory-on-orders", "payments-on-inventory", "orders-on-payments"] {
                faults.add(&Rule::new(function, Fault::Delay { from_ms: 0, to_ms: 300 }).by(function)).await;
            }
            let place = |at: usize| async move {
                let lines = [(product, 1), (product, 1), (rare, 2), (product, 2)];
                let method = if at % 4 == 1 { DECLINES } else { PAYS };
                let basket = Basket::of(&lines[at % 4..=at % 4]).paid_by(method);
                scene::place(shop, buyer, &basket).await
            };
            let placed = stream::iter(0..ORDERS).map(async |at| (at, place(at).await));
            let mut orders: Vec<(usize, String)> = placed.buffer_unordered(AT_ONCE).collect().await;
            orders.sort_unstable();
            let orders: Vec<String> = orders.into_iter().map(|(_, order)| order).collect();

            let books = Books::about(&shop.aws, &[], &orders).await;
            let pending = books.orders.iter().filter(|order| order.state == OrderState::Pending).count();
            eprintln!("{pending} of {ORDERS} orders are PENDING, {} payments begun", books.payments.len());
            emulator("stop").await;
            assert!(pending >= ORDERS / 4, "only {pending} were in mid-saga");
            emulator("start").await;
            faults.clear().await;

            let ends = join_all(orders.iter().map(|order| scene::at_rest(shop, order))).await;
            for (at, (state, reason)) in ends.into_iter().enumerate() {
                let wanted: (&str, Value) = match at % 4 {
                    1 => ("CANCELLED", json!("PAYMENT_FAILED")),
                    2 => ("CANCELLED", json!("OUT_OF_STOCK")),
                    _ => ("CONFIRMED", Value::Null),
                };
                assert_eq!((state, reason), (json!(wanted.0), wanted.1), "{}", orders[at]);
            }
            orders
        })
        .await;
        let books = Books::in_order(&shop.aws, &[product, rare], &orders).await;
        scene::provider_agrees(shop, &books, &orders).await;
        let rialto = Operator::new(env!("CARGO_BIN_EXE_operator"), shop);
        let named: Vec<String> = orders.iter().map(|order| format!(" --order {order}")).collect();
        let reconciled = rialto.run(&format!("reconcile{}", named.concat())).await.with_status(0);
        reconciled.telling(&["Everything agrees."]);
    }
}

/// Has the project's own script stop or start it: with the port and the folder that this test was given.
async fn emulator(script: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../localstack").join(script);
    let run = tokio::task::spawn_blocking(move || Command::new(path).status());
    let status = run.await.unwrap().expect("the script runs");
    assert!(status.success(), "localstack/{script}: {status}");
}
