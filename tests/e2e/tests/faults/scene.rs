//! Placing and cancelling orders while calls fail, and comparing payments with the provider.

use rialto_e2e::{
    http::Answer,
    invariants::{SagaTables, broken},
    shop::{DemoAccount, OrderDraft, Shop},
    tables::{all, table},
    wait::eventually,
};
use rialto_kernel::UserId;
use rialto_orders::domain::request::order_id;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The consumers' queues in the order saga.
pub(crate) const QUEUES: &[&str] = &[
    "inventory-on-orders",
    "orders-on-inventory",
    "orders-on-payments",
    "payments-on-inventory",
    "payments-on-orders",
];

/// Number of repetitions of the long tests: `RIALTO_LONG`, by default 1.
pub(crate) fn rounds() -> u64 {
    std::env::var("RIALTO_LONG")
        .ok()
        .map_or(1, |text| text.parse().expect("RIALTO_LONG is a number"))
}

/// The id that the order will have.
pub(crate) fn id_of(buyer: &DemoAccount, basket: &OrderDraft) -> String {
    order_id(UserId::parse(&buyer.id).unwrap(), &basket.key).to_string()
}

/// Whether a request should be retried.
fn is_passing(answer: &Answer) -> bool {
    answer.status == 429 || answer.status >= 500
}

/// Places an order, retrying under the same key until it succeeds, and returns its id.
pub(crate) async fn place(shop: &Shop, buyer: &DemoAccount, basket: &OrderDraft) -> String {
    let answer = eventually("an order to be taken", async || {
        let answer = shop.placing(buyer, basket).send().await;
        if is_passing(&answer) { Err(answer) } else { Ok(answer) }
    })
    .await;
    answer.data(201)["order_id"].as_str().unwrap().to_owned()
}

/// Cancels an order, retrying on transient errors, and returns the final response.
pub(crate) async fn cancel(shop: &Shop, buyer: &DemoAccount, order: &str) -> Answer {
    eventually("a cancellation to be answered", async || {
        let path = format!("/orders/{order}/cancel");
        let answer = shop.post(path, &serde_json::json!({})).token(&buyer.token).send().await;
        if is_passing(&answer) { Err(answer) } else { Ok(answer) }
    })
    .await
}

/// Waits until an order and everything that belongs to it is consistent, and returns its state and
/// reason.
pub(crate) async fn at_rest(shop: &Shop, order: &str) -> (Value, Value) {
    let orders = [order.to_owned()];
    let books = eventually(&format!("{order} to come to rest"), async || {
        let books = SagaTables::load_for(&shop.aws, &[], &orders).await;
        match broken(&books).join("\n") {
            _ if books.orders.is_empty() => Err("it isn't there".to_owned()),
            none if none.is_empty() => Ok(books),
            broken => Err(broken),
        }
    })
    .await;
    let order = &books.orders[0];
    (serde_json::json!(order.state), serde_json::json!(order.reason))
}

/// The provider simulator's item of a payment.
#[derive(Debug, Deserialize)]
struct Intent {
    amount: i64,
    state: String,
    metadata: BTreeMap<String, String>,
    refunds: Vec<Refund>,
}

#[derive(Debug, Deserialize)]
struct Refund {
    amount: i64,
}

/// Asserts that the provider charged each order at most once, and that captured and refunded
/// amounts are those of the payments table.
pub(crate) async fn provider_agrees(shop: &Shop, books: &SagaTables, orders: &[String]) {
    let mut charged: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    let items = all(&table(&shop.aws, "simulator")).await;
    let intents =
        items.into_iter().filter(|item| rialto_dynamo::item_key(item).unwrap().sk == "INTENT");
    let intents: Vec<Intent> =
        intents.map(|item| rialto_dynamo::read_item(item).unwrap()).collect();
    for intent in intents.iter().filter(|intent| intent.state == "succeeded") {
        let order = intent.metadata.get("order_id").expect("an intent names its order");
        let refunded = intent.refunds.iter().map(|refund| refund.amount).sum();
        charged.entry(order).or_default().push((intent.amount, refunded));
    }
    for order in orders {
        let payment = books.payments.iter().find(|payment| payment.order_id.to_string() == *order);
        let written = payment.map_or((0, 0), |payment| {
            (payment.captured.minor_units(), payment.refunded().minor_units())
        });
        let written = if written == (0, 0) { Vec::new() } else { vec![written] };
        let there = charged.get(order.as_str()).cloned().unwrap_or_default();
        assert_eq!(there, written, "{order}: the provider's charges and refunds, and ours");
    }
}
