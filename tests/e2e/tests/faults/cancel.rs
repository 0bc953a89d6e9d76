//! Cancellation at each step of the order saga.

use crate::support::{self, QUEUES};
use futures_util::{StreamExt, future::join, stream};
use rialto_e2e::{
    faults::Faults,
    invariants::SagaTables,
    retries::with_short_visibility_timeouts,
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
};
use rialto_faults::rule::{Fault, Rule};
use serde_json::json;
use std::time::Duration;

/// Orders cancelled at each step, and orders in progress at once.
const ORDERS: u64 = 100;
const CONCURRENCY: usize = 16;
/// Maximum delays after the step of the cancellation request and of the saga. The saga's is longer,
/// because the request takes time too.
const CANCEL_MS: u64 = 40;
const CONTINUE_MS: u64 = 120;

/// A call of the saga that is held, before or after its execution, until the cancellation is
/// requested.
struct Step {
    name: &'static str,
    function: &'static str,
    operation: &'static str,
    /// Number of such calls that come before it.
    skip: u32,
    done: bool,
}

const fn step(
    name: &'static str,
    function: &'static str,
    operation: &'static str,
    skip: u32,
    done: bool,
) -> Step {
    Step { name, function, operation, skip, done }
}

const STEPS: &[Step] = &[
    step("placed", "inventory-on-orders", "TransactWriteItems", 0, false),
    step("reserved", "inventory-on-orders", "TransactWriteItems", 0, true),
    step("consumed by payments", "payments-on-inventory", "PutItem", 0, false),
    step("intent created", "payments-on-inventory", "POST /v1/payment_intents", 0, true),
    step("charge started", "payments-on-inventory", "PutItem", 1, true),
    step("charged", "payments-on-inventory", "POST /v1/payment_intents/*/confirm", 0, true),
    step("captured", "payments-on-inventory", "TransactWriteItems", 0, true),
    step("being confirmed", "orders-on-payments", "UpdateItem", 0, false),
    step("confirmed", "orders-on-payments", "UpdateItem", 0, true),
];

#[tokio::test(flavor = "multi_thread")]
async fn orders_can_be_cancelled_at_each_step_until_confirmed() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Cancelled", 700, 1_000_000)).await;
    let (shop, faults, buyer, product) = (&shop, &faults, &buyer, product.as_str());
    let (orders, sold) = with_short_visibility_timeouts(&shop.aws, QUEUES, async {
        let (mut orders, mut sold) = (Vec::new(), 0);
        for step in STEPS {
            let seeds = stream::iter(0..ORDERS * support::rounds());
            let ends = seeds.map(|seed| cancel_at(step, seed, shop, faults, buyer, product));
            let ends: Vec<(String, bool)> = ends.buffer_unordered(CONCURRENCY).collect().await;
            let confirmed = ends.iter().filter(|(_, confirmed)| *confirmed).count();
            eprintln!(
                "{}: {} cancelled, {confirmed} confirmed first",
                step.name,
                ends.len() - confirmed
            );
            sold += confirmed;
            orders.extend(ends.into_iter().map(|(order, _)| order));
        }
        (orders, sold)
    })
    .await;
    let tables = SagaTables::wait_until_consistent(&shop.aws, &[product], &orders).await;
    support::assert_provider_agrees(shop, &tables, &orders).await;
    let sold = u64::try_from(sold).unwrap();
    assert_eq!(shop.stock(&seller, product).await, (1_000_000 - sold, 0, sold));
    // At the first step no order can be confirmed yet; at the last all are.
    assert!(sold >= ORDERS * support::rounds(), "only {sold} were confirmed first");
    assert!(
        orders.len() as u64 - sold >= 5 * ORDERS * support::rounds(),
        "{sold} were confirmed first"
    );
}

/// Cancels an order at a step, and returns its id and whether it was confirmed before.
async fn cancel_at(
    step: &Step,
    seed: u64,
    shop: &Shop,
    faults: &Faults,
    buyer: &DemoAccount,
    product: &str,
) -> (String, bool) {
    let draft = OrderDraft::of(&[(product, 1)]);
    let order = support::id_of(buyer, &draft);
    let hold = Rule::new(&order, Fault::Hold { done: step.done, limit_ms: 4_000 });
    let hold = hold.by(step.function).operation(step.operation).about(&order).nth(step.skip);
    faults.add(&hold).await;
    assert_eq!(support::place(shop, buyer, &draft).await, order);
    faults.until_fired(&order).await;
    let cancel = async {
        // A fixed delay on purpose: the timing is what is tested.
        tokio::time::sleep(delay(2 * seed, CANCEL_MS)).await;
        support::cancel(shop, buyer, &order).await
    };
    let continue_saga = async {
        tokio::time::sleep(delay(2 * seed + 1, CONTINUE_MS)).await;
        faults.remove(&order).await;
    };
    let (response, ()) = join(cancel, continue_saga).await;
    let at = step.name;
    let now = response.data(200);
    let end = if now["state"] == "CANCELLED" {
        assert_eq!(now["reason"], "BUYER", "{order}, {at}");
        (json!("CANCELLED"), json!("BUYER"))
    } else {
        // After the confirmation the line's cancellation is only requested.
        let line = &now["lines"][0]["state"];
        assert_eq!((&now["state"], line), (&json!("CONFIRMED"), &json!("CANCELING")), "{at}");
        (json!("CONFIRMED"), json!(null))
    };
    assert_eq!(support::final_state(shop, &order).await, end, "{order}, {at}");
    (order, end.0 == "CONFIRMED")
}

/// A delay below this maximum, uniformly distributed and the same for the same seed.
fn delay(seed: u64, below_ms: u64) -> Duration {
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Duration::from_micros((mixed >> 32) % (below_ms * 1_000))
}
