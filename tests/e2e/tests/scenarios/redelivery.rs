//! Duplicate events, and events in reverse order.

use rialto_e2e::{
    bus::{BusSubscription, ReceivedEvent, publish},
    invariants::SagaTables,
    logs,
    shop::{DECLINES, DemoAccount, LACKS_FUNDS, NewProduct, OrderDraft, Shop},
    tables::TableSnapshot,
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock, UserId};
use rialto_orders::domain::request::order_id;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Each consumer with the source of its events.
const CONSUMERS: &[(&str, &str)] = &[
    ("inventory-on-orders", "rialto.orders"),
    ("orders-on-inventory", "rialto.inventory"),
    ("payments-on-inventory", "rialto.inventory"),
    ("orders-on-payments", "rialto.payments"),
    ("payments-on-orders", "rialto.orders"),
];

/// Drafts of orders with every kind of ending.
struct Fixture {
    shop: Shop,
    seller: DemoAccount,
    buyer: DemoAccount,
    products: [String; 2],
    baskets: Vec<OrderDraft>,
    /// The ids that the drafts' orders will have.
    orders: Vec<String>,
}

async fn scene() -> Fixture {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let a = shop.product(&seller, &NewProduct::new("First thing", 1000, 50)).await;
    let b = shop.product(&seller, &NewProduct::new("Second thing", 100, 50)).await;
    let baskets = vec![
        OrderDraft::of(&[(&a, 1)]),
        OrderDraft::of(&[(&a, 2), (&b, 3), (&a, 1)]),
        OrderDraft::of(&[(&a, 5)]).paid_by(DECLINES),
        OrderDraft::of(&[(&b, 5)]).paid_by(LACKS_FUNDS),
        OrderDraft::of(&[(&b, 1), (&a, 51)]),
    ];
    let user = UserId::parse(&buyer.id).unwrap();
    let orders = baskets.iter().map(|basket| order_id(user, &basket.key).to_string()).collect();
    Fixture { shop, seller, buyer, products: [a, b], baskets, orders }
}

impl Fixture {
    async fn place(&self) {
        for (basket, order) in self.baskets.iter().zip(&self.orders) {
            assert_eq!(&self.shop.place(&self.buyer, basket).await, order);
        }
    }

    /// Waits until all sagas are finished, and checks how they ended.
    async fn ended_as_it_should(&self) {
        for order in &self.orders {
            self.shop.wait_until_settled(&self.buyer, order).await;
        }
        let [a, b] = &self.products;
        SagaTables::wait_until_consistent(&self.shop.aws, &[a, b], &self.orders).await;
        let mut ends = Vec::new();
        for order in &self.orders {
            let order = self.shop.order(&self.buyer, order).await;
            ends.push(order["reason"].as_str().or(order["state"].as_str()).unwrap().to_owned());
        }
        assert_eq!(
            ends,
            ["CONFIRMED", "CONFIRMED", "PAYMENT_FAILED", "PAYMENT_FAILED", "OUT_OF_STOCK"]
        );
        assert_eq!(self.shop.stock(&self.seller, a).await, (46, 0, 4));
        assert_eq!(self.shop.stock(&self.seller, b).await, (47, 0, 3));
    }

    /// All items of these orders and products.
    async fn picture(&self) -> TableSnapshot {
        let mut partitions = Vec::new();
        for product in &self.products {
            for service in ["catalog", "inventory", "orders"] {
                partitions.push((service, format!("PRODUCT#{product}")));
            }
        }
        for order in &self.orders {
            for service in ["inventory", "orders", "payments"] {
                partitions.push((service, format!("ORDER#{order}")));
            }
        }
        TableSnapshot::take(&self.shop.aws, &partitions).await
    }
}

/// Receives events until it has all events of the orders' timelines.
async fn everything(scene: &Fixture, tap: &BusSubscription) -> Vec<ReceivedEvent> {
    let mut told = BTreeSet::new();
    for order in &scene.orders {
        for entry in scene.shop.timeline(&scene.buyer, order).await {
            told.insert(entry["id"].as_str().unwrap().to_owned());
        }
    }
    let mut heard: Vec<ReceivedEvent> = Vec::new();
    eventually("the bus to have carried everything", async || {
        heard.extend(tap.take_all().await);
        let carried: BTreeSet<_> = heard.iter().map(|heard| heard.event.id.to_string()).collect();
        let missing: Vec<_> = told.difference(&carried).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("it hasn't carried {missing:?}")) }
    })
    .await;
    heard
}

/// The events without duplicates, in the order of their first arrival.
fn distinct(heard: Vec<ReceivedEvent>) -> Vec<ReceivedEvent> {
    let mut distinct: Vec<ReceivedEvent> = Vec::new();
    for heard in heard {
        match distinct.iter().find(|known| known.event.id == heard.event.id) {
            Some(known) => assert_eq!(known, &heard, "published again, an event stays the same"),
            None => distinct.push(heard),
        }
    }
    distinct
}

/// Every event twice, in reverse order.
fn twice_in_reverse(events: &[ReceivedEvent]) -> Vec<ReceivedEvent> {
    events.iter().rev().flat_map(|heard| [heard.clone(), heard.clone()]).collect()
}

/// Counts the log lines of consumed events of these orders, by function, event and outcome.
async fn consumed(scene: &Fixture, since: i64) -> BTreeMap<(String, String, String), usize> {
    let mut counts = BTreeMap::new();
    for order in &scene.orders {
        for line in logs::all_lines(&scene.shop.aws, since, order).await {
            if line.text_of("message") == "consumed" {
                let key =
                    ["function", "event", "outcome"].map(|member| line.text_of(member).to_owned());
                *counts.entry(key.into()).or_default() += 1;
            }
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn events_redelivered_in_reverse_change_nothing() {
    let scene = scene().await;
    let since = SystemClock.now().millis();
    let tap = BusSubscription::on_orders(&scene.shop.aws, &scene.orders).await;
    scene.place().await;
    scene.ended_as_it_should().await;
    let heard = distinct(everything(&scene, &tap).await);
    tap.close().await;
    let before = scene.picture().await;
    assert!(!before.is_empty());

    // Invoke the consumers directly, with whole batches.
    for (consumer, source) in CONSUMERS {
        let events: Vec<ReceivedEvent> =
            heard.iter().filter(|heard| heard.source == *source).cloned().collect();
        assert!(!events.is_empty(), "{source} said nothing");
        for batch in twice_in_reverse(&events).chunks(10) {
            let bodies: Vec<String> = batch.iter().map(ReceivedEvent::message).collect();
            let failed = scene.shop.aws.consume(consumer, &bodies).await;
            assert_eq!(failed, Vec::<String>::new(), "{consumer} fails on what it did before");
        }
    }
    assert_eq!(scene.picture().await.differences(&before), Vec::<String>::new());

    // Publish to the bus. The functions that handled an event receive it twice more and must ignore
    // it.
    let handled: Vec<_> = {
        let counts = consumed(&scene, since).await;
        counts.into_iter().filter(|((_, _, outcome), _)| outcome == "Handled").collect()
    };
    for ((function, event, _), count) in &handled {
        assert_eq!(*count, 1, "{function} handled {event} more than once");
    }
    let again = SystemClock.now().millis();
    publish(&scene.shop.aws, &twice_in_reverse(&heard)).await;
    eventually("every event to be consumed twice more", async || {
        let counts = consumed(&scene, again).await;
        let twice = |function: &String, event: &String| {
            let key = (function.clone(), event.clone(), "Nothing".to_owned());
            counts.get(&key).copied().unwrap_or_default() >= 2
        };
        let left: Vec<_> =
            handled.iter().filter(|((function, event, _), _)| !twice(function, event)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("not yet: {left:?}")) }
    })
    .await;
    let counts = consumed(&scene, again).await;
    assert!(counts.keys().all(|(_, _, outcome)| outcome != "Handled"), "{counts:?}");
    assert_eq!(scene.picture().await.differences(&before), Vec::<String>::new());
    scene.ended_as_it_should().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_end_the_same_with_duplicate_and_reordered_events() {
    let scene = scene().await;
    let tap = BusSubscription::on_orders(&scene.shop.aws, &scene.orders).await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let aws = scene.shop.aws.clone();
    // Every new event is published twice more, the last one first.
    let echo = tokio::spawn(async move {
        let mut known = BTreeSet::new();
        loop {
            let mut heard = tap.take().await;
            let quiet = heard.is_empty();
            heard.retain(|heard| known.insert(heard.event.id));
            publish(&aws, &twice_in_reverse(&heard)).await;
            if quiet && stopped.load(Ordering::Relaxed) {
                break;
            }
            if quiet {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        tap.close().await;
        known.len()
    });
    scene.place().await;
    scene.ended_as_it_should().await;
    stop.store(true, Ordering::Relaxed);
    let echoed = echo.await.unwrap();
    // Two orders with 4 events, two with 5 and one with 3.
    assert_eq!(echoed, 2 * 4 + 2 * 5 + 3, "every event was published under one id");
    scene.ended_as_it_should().await;
}
