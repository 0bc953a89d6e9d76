//! The order saga while tables reject many reads and writes.

use crate::support;
use futures_util::{StreamExt, stream};
use rialto_e2e::{
    faults::Faults,
    invariants::SagaTables,
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
};
use rialto_faults::rule::{Fault, Rule};
use serde_json::{Value, json};

/// Each placed by a buyer of its own.
const ORDERS: usize = 200;
const CONCURRENCY: usize = 50;
/// Few at once, because hashing passwords is CPU-bound.
const SIGN_UP_CONCURRENCY: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_oversold_while_a_tenth_of_table_calls_fail() {
    place_with_failures(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_oversold_while_half_of_table_calls_fail() {
    place_with_failures(50).await;
}

/// The functions in the order saga, whose table calls fail. Logging in and reading aren't tested
/// here.
const FUNCTIONS: &[&str] = &[
    "orders-place-order",
    "inventory-on-orders",
    "orders-on-inventory",
    "orders-on-payments",
    "payments-on-inventory",
    "payments-on-orders",
];

const READS: &[&str] = &["GetItem", "BatchGetItem", "Query"];
const WRITES: &[&str] = &["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"];

/// Rules that reject this percentage of writes, half of them with conflicts and half with
/// throttling, and throttle the same percentage of reads.
fn rules(percent: u8, round: u64) -> Vec<Rule> {
    let collide = percent / 2;
    // Throttling only sees the writes that had no conflict, so its probability is higher.
    let rest = (100 * u32::from(percent - collide)).div_ceil(u32::from(100 - collide));
    let rest = u8::try_from(rest).unwrap();
    let mut rules = Vec::new();
    let mut add = |kind: &str, function: &str, operation: &str, fault, chance| {
        let rule = Rule::new(format!("{kind}-{function}-{operation}"), fault);
        let seed = 1_000 * round + rules.len() as u64;
        rules.push(rule.by(function).to("dynamodb").operation(operation).probability(chance, seed));
    };
    for function in FUNCTIONS {
        for operation in READS {
            add("read", function, operation, Fault::Throttle, percent);
        }
        for operation in WRITES {
            add("write", function, operation, Fault::Conflict, collide);
            add("rest", function, operation, Fault::Throttle, rest);
        }
    }
    rules
}

/// A number of calls, and how many of them were rejected.
#[derive(Debug, Default)]
struct RejectedCalls {
    calls: u32,
    rejected: u32,
}

impl RejectedCalls {
    /// Asserts that at least half of the intended percentage was rejected.
    fn assert_share(&self, percent: u8) {
        assert!(
            self.rejected > 0 && 200 * self.rejected >= u32::from(percent) * self.calls,
            "{self:?}"
        );
    }
}

/// Counts rejected reads and writes.
async fn count_rejected(faults: &Faults, rules: &[Rule]) -> (RejectedCalls, RejectedCalls) {
    let (mut reads, mut writes) = (RejectedCalls::default(), RejectedCalls::default());
    for rule in rules {
        let fired = faults.fired(&rule.id).await;
        let (count, calls) = match rule.id.split_once('-') {
            Some(("read", _)) => (&mut reads, fired.matched),
            Some(("write", _)) => (&mut writes, fired.matched),
            // Writes that reach the throttling rule are already counted by the conflict rule.
            _ => (&mut writes, 0),
        };
        count.calls += calls;
        count.rejected += fired.fired;
    }
    (reads, writes)
}

async fn place_with_failures(percent: u8) {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let seller = shop.new_seller().await;
    let sign_ups = stream::iter(0..ORDERS).map(|_| shop.new_buyer());
    let buyers: Vec<DemoAccount> = sign_ups.buffer_unordered(SIGN_UP_CONCURRENCY).collect().await;
    for round in 0..support::rounds() {
        let a = shop.product(&seller, &NewProduct::new("Everybody wants two", 700, 30)).await;
        let b = shop.product(&seller, &NewProduct::new("Everybody wants one", 900, 20)).await;
        let rules = rules(percent, round);
        for rule in &rules {
            faults.add(rule).await;
        }
        let placed = place(&shop, &buyers, &a, &b).await;
        wait_until_settled(&shop, &buyers).await;
        let tables = SagaTables::wait_until_consistent(&shop.aws, &[&a, &b], &placed).await;
        let (reads, writes) = count_rejected(&faults, &rules).await;
        faults.clear().await;
        eprintln!("{percent} %: reads {reads:?}, writes {writes:?}");
        reads.assert_share(percent);
        writes.assert_share(percent);
        let ended = |state: &str, reason: Value| {
            let is = |order: &&rialto_orders::domain::order::Order| {
                json!(order.state) == json!(state) && json!(order.reason) == reason
            };
            tables.orders.iter().filter(is).count()
        };
        assert_eq!(ended("CONFIRMED", Value::Null), 15);
        assert_eq!(ended("CANCELLED", json!("OUT_OF_STOCK")), ORDERS - 15);
        assert_eq!(shop.stock(&seller, &a).await, (0, 0, 30));
        assert_eq!(shop.stock(&seller, &b).await, (5, 0, 15));
        support::assert_provider_agrees(&shop, &tables, &placed).await;
    }
}

async fn place(shop: &Shop, buyers: &[DemoAccount], a: &str, b: &str) -> Vec<String> {
    let place = |buyer| async move {
        support::place(shop, buyer, &OrderDraft::of(&[(a, 2), (b, 1)])).await
    };
    stream::iter(buyers).map(place).buffer_unordered(CONCURRENCY).collect().await
}

async fn wait_until_settled(shop: &Shop, buyers: &[DemoAccount]) {
    for buyer in buyers {
        shop.wait_until_all_settled(buyer).await;
    }
}
