//! Placing and cancelling orders while calls fail, and comparing payments with the provider.

use rialto_e2e::{
    faults::Faults,
    fixture::Fixture,
    http::HttpResponse,
    invariants::{SagaTables, broken},
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
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

/// A shop behind the fault proxy, with a buyer, a product in stock and one with a single piece.
pub(crate) struct FaultFixture {
    pub(crate) faults: Faults,
    pub(crate) shop: Shop,
    pub(crate) buyer: DemoAccount,
    pub(crate) product: String,
    pub(crate) scarce: String,
}

impl FaultFixture {
    pub(crate) async fn with_stock(pieces: i64) -> Self {
        let faults = Faults::exclusive().await;
        let Fixture { shop, seller, buyer, product } =
            Fixture::new(&NewProduct::new("In stock", 700, pieces)).await;
        let scarce = shop.product(&seller, &NewProduct::new("Scarce", 700, 1)).await;
        Self { faults, shop, buyer, product, scarce }
    }
}

/// Number of repetitions of the long tests: `RIALTO_LONG`, by default 1.
pub(crate) fn rounds() -> u64 {
    std::env::var("RIALTO_LONG")
        .ok()
        .map_or(1, |text| text.parse().expect("RIALTO_LONG is a number"))
}

/// The id that the order will have.
pub(crate) fn id_of(buyer: &DemoAccount, draft: &OrderDraft) -> String {
    order_id(UserId::parse(&buyer.id).unwrap(), &draft.key).to_string()
}

/// Whether a request should be retried.
fn is_transient(response: &HttpResponse) -> bool {
    response.status == 429 || response.status >= 500
}

/// Places an order, retrying under the same key until it succeeds, and returns its id.
pub(crate) async fn place(shop: &Shop, buyer: &DemoAccount, draft: &OrderDraft) -> String {
    let response = eventually("an order to be placed", async || {
        let response = shop.place_request(buyer, draft).send().await;
        if is_transient(&response) { Err(response) } else { Ok(response) }
    })
    .await;
    response.data(201)["order_id"].as_str().unwrap().to_owned()
}

/// Cancels an order, retrying on transient errors, and returns the final response.
pub(crate) async fn cancel(shop: &Shop, buyer: &DemoAccount, order: &str) -> HttpResponse {
    eventually("a final response to a cancellation", async || {
        let path = format!("/orders/{order}/cancel");
        let response = shop.post(path, &serde_json::json!({})).token(&buyer.token).send().await;
        if is_transient(&response) { Err(response) } else { Ok(response) }
    })
    .await
}

/// Waits until an order and everything that belongs to it is consistent, and returns its state and
/// reason.
pub(crate) async fn final_state(shop: &Shop, order: &str) -> (Value, Value) {
    let orders = [order.to_owned()];
    let tables = eventually(&format!("{order} to be consistent"), async || {
        let tables = SagaTables::load_for(&shop.aws, &[], &orders).await;
        match broken(&tables).join("\n") {
            _ if tables.orders.is_empty() => Err("the order is missing".to_owned()),
            none if none.is_empty() => Ok(tables),
            broken => Err(broken),
        }
    })
    .await;
    let order = &tables.orders[0];
    (serde_json::json!(order.state), serde_json::json!(order.reason))
}

/// The provider simulator's item of a payment.
#[derive(Debug, Deserialize)]
struct SimulatorIntent {
    amount: i64,
    state: String,
    metadata: BTreeMap<String, String>,
    refunds: Vec<SimulatorRefund>,
}

#[derive(Debug, Deserialize)]
struct SimulatorRefund {
    amount: i64,
}

/// Asserts that the provider charged each order at most once, and that captured and refunded
/// amounts are those of the payments table.
pub(crate) async fn assert_provider_agrees(shop: &Shop, tables: &SagaTables, orders: &[String]) {
    let mut charged: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    let items = all(&table(&shop.aws, "simulator")).await;
    let intents =
        items.into_iter().filter(|item| rialto_dynamo::item_key(item).unwrap().sk == "INTENT");
    let intents: Vec<SimulatorIntent> =
        intents.map(|item| rialto_dynamo::read_item(item).unwrap()).collect();
    for intent in intents.iter().filter(|intent| intent.state == "succeeded") {
        let order = intent.metadata.get("order_id").expect("an intent names its order");
        let refunded = intent.refunds.iter().map(|refund| refund.amount).sum();
        charged.entry(order).or_default().push((intent.amount, refunded));
    }
    for order in orders {
        let payment = tables.payments.iter().find(|payment| payment.order_id.to_string() == *order);
        let recorded = payment.map_or((0, 0), |payment| {
            (payment.captured.minor_units(), payment.refunded().minor_units())
        });
        let recorded = if recorded == (0, 0) { Vec::new() } else { vec![recorded] };
        let charged = charged.get(order.as_str()).cloned().unwrap_or_default();
        assert_eq!(
            charged, recorded,
            "{order}: charges and refunds differ between the provider and payments"
        );
    }
}
