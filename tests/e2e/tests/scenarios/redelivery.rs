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
    ("delivery-on-orders", "rialto.orders"),
    ("orders-on-delivery", "rialto.delivery"),
];

/// Drafts of orders with every kind of ending.
struct RedeliveryFixture {
    shop: Shop,
    seller: DemoAccount,
    buyer: DemoAccount,
    products: [String; 2],
    drafts: Vec<OrderDraft>,
    /// The ids that the drafts' orders will have.
    orders: Vec<String>,
}

async fn fixture() -> RedeliveryFixture {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let a = shop.product(&seller, &NewProduct::new("First thing", 1000, 50)).await;
    let b = shop.product(&seller, &NewProduct::new("Second thing", 100, 50)).await;
    let drafts = vec![
        OrderDraft::of(&[(&a, 1)]),
        OrderDraft::of(&[(&a, 2), (&b, 3), (&a, 1)]),
        OrderDraft::of(&[(&a, 5)]).paid_by(DECLINES),
        OrderDraft::of(&[(&b, 5)]).paid_by(LACKS_FUNDS),
        OrderDraft::of(&[(&b, 1), (&a, 51)]),
    ];
    let user = UserId::parse(&buyer.id).unwrap();
    let orders = drafts.iter().map(|draft| order_id(user, &draft.key).to_string()).collect();
    RedeliveryFixture { shop, seller, buyer, products: [a, b], drafts, orders }
}

impl RedeliveryFixture {
    async fn place(&self) {
        for (draft, order) in self.drafts.iter().zip(&self.orders) {
            assert_eq!(&self.shop.place(&self.buyer, draft).await, order);
        }
    }

    /// Waits until all sagas are finished, and checks how they ended.
    async fn assert_ended(&self) {
        for order in &self.orders {
            self.shop.wait_until_settled(&self.buyer, order).await;
        }
        let [a, b] = &self.products;
        SagaTables::wait_until_consistent(&self.shop.aws, &[a, b], &self.orders).await;
        let mut endings = Vec::new();
        for order in &self.orders {
            let order = self.shop.order(&self.buyer, order).await;
            endings.push(order["reason"].as_str().or(order["state"].as_str()).unwrap().to_owned());
        }
        assert_eq!(
            endings,
            ["CONFIRMED", "CONFIRMED", "PAYMENT_FAILED", "PAYMENT_FAILED", "OUT_OF_STOCK"]
        );
        assert_eq!(self.shop.stock(&self.seller, a).await, (46, 0, 4));
        assert_eq!(self.shop.stock(&self.seller, b).await, (47, 0, 3));
    }

    /// All items of these orders and products.
    async fn snapshot(&self) -> TableSnapshot {
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
        let deliveries = format!("/users/{}/deliveries?limit=100", self.buyer.id);
        for delivery in self.shop.pages(Some(&self.buyer), &deliveries).await.concat() {
            let id = delivery["delivery_id"].as_str().unwrap();
            partitions.push(("delivery", format!("DELIVERY#{id}")));
        }
        TableSnapshot::take(&self.shop.aws, &partitions).await
    }
}

/// Receives events until it has all events of the orders' timelines.
async fn receive_all(
    fixture: &RedeliveryFixture,
    subscription: &BusSubscription,
) -> Vec<ReceivedEvent> {
    let mut expected = BTreeSet::new();
    for order in &fixture.orders {
        for entry in fixture.shop.timeline(&fixture.buyer, order).await {
            expected.insert(entry["id"].as_str().unwrap().to_owned());
        }
    }
    let mut received: Vec<ReceivedEvent> = Vec::new();
    eventually("all events on the bus", async || {
        received.extend(subscription.take_all().await);
        let carried: BTreeSet<_> =
            received.iter().map(|received| received.event.id.to_string()).collect();
        let missing: Vec<_> = expected.difference(&carried).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:?}")) }
    })
    .await;
    received
}

/// The events without duplicates, in the order of their first arrival.
fn distinct(received: Vec<ReceivedEvent>) -> Vec<ReceivedEvent> {
    let mut distinct: Vec<ReceivedEvent> = Vec::new();
    for received in received {
        match distinct.iter().find(|known| known.event.id == received.event.id) {
            Some(known) => {
                assert_eq!(known, &received, "an event was published again with other content")
            }
            None => distinct.push(received),
        }
    }
    distinct
}

/// Every event twice, in reverse order.
fn twice_in_reverse(events: &[ReceivedEvent]) -> Vec<ReceivedEvent> {
    events.iter().rev().flat_map(|received| [received.clone(), received.clone()]).collect()
}

/// Counts the log lines of consumed events of these orders, by function, event and outcome.
async fn consumed(
    fixture: &RedeliveryFixture,
    since: i64,
) -> BTreeMap<(String, String, String), usize> {
    let mut counts = BTreeMap::new();
    for order in &fixture.orders {
        for line in logs::all_lines(&fixture.shop.aws, since, order).await {
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
    let fixture = fixture().await;
    let since = SystemClock.now().millis();
    let subscription = BusSubscription::on_orders(&fixture.shop.aws, &fixture.orders).await;
    fixture.place().await;
    fixture.assert_ended().await;
    let received = distinct(receive_all(&fixture, &subscription).await);
    subscription.close().await;
    let before = fixture.snapshot().await;
    assert!(!before.is_empty());

    // Invoke the consumers directly, with whole batches.
    for (consumer, source) in CONSUMERS {
        let events: Vec<ReceivedEvent> =
            received.iter().filter(|received| received.source == *source).cloned().collect();
        assert!(!events.is_empty(), "no events from {source}");
        for batch in twice_in_reverse(&events).chunks(10) {
            let bodies: Vec<String> = batch.iter().map(ReceivedEvent::message).collect();
            let failed = fixture.shop.aws.consume(consumer, &bodies).await;
            assert_eq!(failed, Vec::<String>::new(), "{consumer} fails on duplicates");
        }
    }
    assert_eq!(fixture.snapshot().await.differences(&before), Vec::<String>::new());

    // Publish to the bus. The functions that handled an event receive it twice more and must ignore
    // it.
    let handled: Vec<_> = {
        let counts = consumed(&fixture, since).await;
        counts.into_iter().filter(|((_, _, outcome), _)| outcome == "Handled").collect()
    };
    for ((function, event, _), count) in &handled {
        assert_eq!(*count, 1, "{function} handled {event} more than once");
    }
    let again = SystemClock.now().millis();
    publish(&fixture.shop.aws, &twice_in_reverse(&received)).await;
    eventually("every event to be consumed twice more", async || {
        let counts = consumed(&fixture, again).await;
        let twice = |function: &String, event: &String| {
            let key = (function.clone(), event.clone(), "Unchanged".to_owned());
            counts.get(&key).copied().unwrap_or_default() >= 2
        };
        let remaining: Vec<_> =
            handled.iter().filter(|((function, event, _), _)| !twice(function, event)).collect();
        if remaining.is_empty() { Ok(()) } else { Err(format!("not yet: {remaining:?}")) }
    })
    .await;
    let counts = consumed(&fixture, again).await;
    assert!(counts.keys().all(|(_, _, outcome)| outcome != "Handled"), "{counts:?}");
    assert_eq!(fixture.snapshot().await.differences(&before), Vec::<String>::new());
    fixture.assert_ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_end_the_same_with_duplicate_and_reordered_events() {
    let fixture = fixture().await;
    let subscription = BusSubscription::on_orders(&fixture.shop.aws, &fixture.orders).await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let aws = fixture.shop.aws.clone();
    // Every new event is published twice more, the last one first.
    let echo = tokio::spawn(async move {
        let mut known = BTreeSet::new();
        loop {
            let mut received = subscription.take().await;
            let quiet = received.is_empty();
            received.retain(|received| known.insert(received.event.id));
            publish(&aws, &twice_in_reverse(&received)).await;
            if quiet && stopped.load(Ordering::Relaxed) {
                break;
            }
            if quiet {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        subscription.close().await;
        known.len()
    });
    fixture.place().await;
    fixture.assert_ended().await;
    stop.store(true, Ordering::Relaxed);
    let echoed = echo.await.unwrap();
    // Two confirmed orders, of one and of three lines, two without payment and one without stock.
    assert_eq!(echoed, (4 + 1) + (4 + 3) + 2 * 5 + 3, "every event was published under one id");
    fixture.assert_ended().await;
}
