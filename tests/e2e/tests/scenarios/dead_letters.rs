//! The operator's commands for failed messages: `rialto dlq`, `saga stuck`, `outbox resend`.

use rialto_contracts::{
    Event, EventContext,
    catalog::{ProductRegistered, ProductStatus},
};
use rialto_dynamo::{Item, Key, Table};
use rialto_e2e::{
    bus::BusSubscription,
    fixture::Fixture,
    invariants::SagaTables,
    logs,
    operator::{Cli, CommandOutput},
    retries::with_few_receives,
    shop::{DemoAccount, EVENTS_OF_A_SALE, NewProduct, OrderDraft, PERSONAL, Shop},
    tables::{TableSnapshot, table},
    wait::eventually,
};
use rialto_kernel::{Amount, Clock, ItemId, ProductId, SellerId, SystemClock};
use std::collections::BTreeSet;

const CONSUMER: &str = "inventory-on-orders";

fn operator(shop: &Shop) -> Cli {
    Cli::new(env!("CARGO_BIN_EXE_operator"), shop)
}

/// Inventory's item of a product, deleted for the moment so that orders for the product fail.
struct RemovedStock {
    table: Table,
    item: Item,
}

impl RemovedStock {
    async fn take(shop: &Shop, product: &str) -> Self {
        let table = table(&shop.aws, "inventory");
        let key = Key::new(format!("PRODUCT#{product}"), "STOCK");
        let item = table.get(&key).await.unwrap().unwrap();
        let delete = table.client.delete_item().table_name(&table.name).set_key(Some(key.item()));
        delete.send().await.unwrap();
        Self { table, item }
    }

    async fn restore(self) {
        let put =
            self.table.client.put_item().table_name(&self.table.name).set_item(Some(self.item));
        put.send().await.unwrap();
    }
}

/// Repeats a command until its output contains this text. Dead letters are invisible while another
/// test's command reads them.
async fn wait_for_output(operator: &Cli, words: &str, part: &str) -> CommandOutput {
    eventually(&format!("rialto {words} to print {part:?}"), async || {
        let output = operator.run(words).await;
        let found = output.out.contains(part) || output.err.contains(part);
        if found { Ok(output) } else { Err(output) }
    })
    .await
}

/// The body of an order's dead letter, which stays in the queue.
async fn dead_letter_body(shop: &Shop, order: &str) -> String {
    let queue = shop.aws.queue_url(&format!("{CONSUMER}-dead-letters")).await;
    eventually("the dead letter to be visible", async || {
        let received = shop.aws.queues.receive_message().queue_url(&queue).visibility_timeout(0);
        let received = received.max_number_of_messages(10).send().await.unwrap();
        let bodies =
            received.messages.unwrap_or_default().into_iter().filter_map(|message| message.body);
        bodies.into_iter().find(|body| body.contains(order)).ok_or("not yet")
    })
    .await
}

/// Redrives a message again, as after a redrive that failed to delete it: it is consumed, and
/// nothing changes.
async fn redrive_again(fixture: &Fixture, order: &str, selected: &str, body: String) {
    let Fixture { shop, seller, product, .. } = fixture;
    let rialto = operator(shop);
    let partitions: Vec<_> = ["inventory", "orders", "payments"]
        .map(|service| (service, format!("ORDER#{order}")))
        .into();
    let before = TableSnapshot::take(&shop.aws, &partitions).await;
    let since = SystemClock.now().millis();
    let queue = shop.aws.queue_url(&format!("{CONSUMER}-dead-letters")).await;
    shop.aws.queues.send_message().queue_url(queue).message_body(body).send().await.unwrap();
    wait_for_output(&rialto, &format!("dlq redrive {selected} --yes"), "1 redriven")
        .await
        .with_status(0);
    eventually("the event to be consumed again", async || {
        let lines = logs::lines(&shop.aws, "inventory", since, order).await;
        let consumed = lines.iter().any(|line| {
            line.text_of("message") == "consumed"
                && line.text_of("function") == CONSUMER
                && line.text_of("kind") == "OrderPlaced"
        });
        if consumed { Ok(()) } else { Err(format!("{} other lines", lines.len())) }
    })
    .await;
    assert_eq!(
        TableSnapshot::take(&shop.aws, &partitions).await.differences(&before),
        Vec::<String>::new()
    );
    assert_eq!(shop.stock(seller, product).await, (8, 0, 2));
}

async fn fixture() -> Fixture {
    Fixture::new(&NewProduct::new("Not yet known", 700, 10)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_dead_letter_completes_its_order() {
    let fixture = fixture().await;
    let Fixture { shop, seller, buyer, product } = &fixture;
    let rialto = operator(shop);
    let removed = RemovedStock::take(shop, product).await;
    let (order, selected) = with_few_receives(&shop.aws, CONSUMER, async {
        let order = shop.place(buyer, &OrderDraft::of(&[(product, 2)])).await;
        let selected = format!("--queue {CONSUMER} --order {order}");
        let listed =
            wait_for_output(&rialto, &format!("dlq list {selected}"), &order).await.with_status(0);
        assert!(listed.out.contains("OrderPlaced"), "{listed}");
        // Without a fix the message fails again, and is marked as redriven once.
        wait_for_output(&rialto, &format!("dlq redrive {selected} --yes"), "1 redriven").await;
        let again = wait_for_output(&rialto, &format!("dlq list {selected}"), "1x").await;
        assert_eq!(again.out.lines().count(), 2, "a header and one row: {again}");
        (order, selected)
    })
    .await;
    let body = dead_letter_body(shop, &order).await;
    let waiting = wait_for_output(
        &rialto,
        &format!("saga stuck --older 0s --order {order}"),
        "is a dead letter of",
    )
    .await;
    let waiting = waiting
        .with_status(0)
        .output_containing(&["PENDING", "OrderPlaced to be processed by inventory-on-orders"]);
    assert!(
        waiting.out.contains(&format!("rialto dlq redrive --order {order} --yes")),
        "{waiting}"
    );
    rialto
        .run(&format!("reconcile --order {order}"))
        .await
        .with_status(0)
        .output_containing(&["PENDING"]);

    let shown =
        wait_for_output(&rialto, &format!("dlq show {selected}"), "redriven").await.with_status(0);
    let shown = shown.output_containing(&[&order, "OrderPlaced", "1x, last at 20", "into rialto-"]);
    assert!(PERSONAL.iter().all(|word| !shown.out.contains(word)), "{shown}");
    // A dry run changes nothing, and doesn't hide the message from the next one.
    for _ in 0..2 {
        wait_for_output(&rialto, &format!("dlq redrive {selected}"), "1 would be redriven").await;
    }
    assert_eq!(shop.order(buyer, &order).await["state"], "PENDING");

    removed.restore().await;
    let redriven = wait_for_output(&rialto, &format!("dlq redrive {selected} --yes"), "1 redriven")
        .await
        .with_status(0);
    assert!(redriven.out.contains(&order), "{redriven}");
    assert_eq!(shop.wait_until_settled(buyer, &order).await["state"], "CONFIRMED");
    shop.timeline_events(buyer, &order, &EVENTS_OF_A_SALE).await;
    SagaTables::wait_until_consistent(&shop.aws, &[product], std::slice::from_ref(&order)).await;
    assert_eq!(shop.stock(seller, product).await, (8, 0, 2));

    redrive_again(&fixture, &order, &selected, body).await;
    let third = rialto.run(&format!("dlq redrive {selected} --yes")).await.with_status(0);
    third.output_containing(&["No dead letters to redrive"]);
    rialto
        .run(&format!("dlq list {selected}"))
        .await
        .with_status(0)
        .output_containing(&["No dead letters"]);
    rialto
        .run(&format!("dlq show {selected}"))
        .await
        .with_status(1)
        .output_containing(&["Dead letter not found"]);
}

/// A new event, such as a relay moves to the outbox DLQ, and its product.
fn registration(seller: &DemoAccount) -> (String, Event) {
    let now = SystemClock.now();
    let registered = ProductRegistered {
        product_id: ProductId::generate(now),
        seller_id: SellerId::parse(&seller.id).unwrap(),
        item_id: ItemId::generate(now),
        title: "Resent".to_owned(),
        price: Amount::new(100).unwrap(),
        initial_stock: 7,
        flash_sale: false,
        status: ProductStatus::Registered,
    };
    (
        registered.product_id.to_string(),
        Event::new(&registered, 1, 0, now, &EventContext::default()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_the_outbox_dlq_are_resent_with_their_id() {
    let shop = Shop::open();
    let (seller, rialto) = (shop.new_seller().await, operator(&shop));
    let (product, event) = registration(&seller);
    let queue = shop.aws.queue_url("catalog-outbox-dead-letters").await;
    let body = serde_json::to_string(&event).unwrap();
    shop.aws.queues.send_message().queue_url(queue).message_body(body).send().await.unwrap();
    let subscription = BusSubscription::on_everything(&shop.aws).await;
    let dry = wait_for_output(&rialto, "outbox resend", "would be redriven").await.with_status(0);
    assert!(dry.out.contains(&product) && dry.out.contains("ProductRegistered"), "{dry}");
    let unknown = shop.get(format!("/products/{product}/stock")).token(&seller.token).send().await;
    assert_eq!(unknown.status, 404, "{unknown}");

    wait_for_output(&rialto, "outbox resend --yes", "1 redriven").await;
    eventually("the stock to be created", async || {
        let response =
            shop.get(format!("/products/{product}/stock")).token(&seller.token).send().await;
        if response.status == 200 { Ok(()) } else { Err(response) }
    })
    .await;
    let received = eventually("the event on the bus", async || {
        subscription
            .take_all()
            .await
            .into_iter()
            .find(|received| received.event.subject == product)
            .ok_or("not yet")
    })
    .await;
    subscription.close().await;
    assert_eq!(received.event, event);
    rialto.run("dlq list --queue catalog-outbox").await.output_containing(&["No dead letters"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resending_an_orders_events_changes_nothing() {
    let fixture = fixture().await;
    let Fixture { shop, seller, buyer, product } = &fixture;
    let rialto = operator(shop);
    let order = shop.place(buyer, &OrderDraft::of(&[(product, 2)])).await;
    shop.wait_until_settled(buyer, &order).await;
    SagaTables::wait_until_consistent(&shop.aws, &[product], std::slice::from_ref(&order)).await;
    let subscription = BusSubscription::on_orders(&shop.aws, std::slice::from_ref(&order)).await;
    let resend = format!("outbox resend --order {order}");
    let shown = rialto.run(&resend).await.with_status(0);
    shown.output_containing(&["OrderPlaced", "OrderConfirmed", "This was a dry run"]);
    assert_eq!(subscription.take_all().await, []);
    rialto.run(&format!("{resend} --yes")).await.with_status(0).output_containing(&["published"]);
    let timeline = shop.timeline(buyer, &order).await;
    let own = timeline.iter().filter(|entry| entry["source"] == "rialto.orders");
    let own: Vec<_> = own.map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(own.len(), 2, "{timeline:?}");
    let mut received = BTreeSet::new();
    eventually("the events on the bus again", async || {
        received.extend(
            subscription.take_all().await.into_iter().map(|received| received.event.id.to_string()),
        );
        if own.iter().all(|id| received.contains(*id)) {
            Ok(())
        } else {
            Err(format!("{received:?}"))
        }
    })
    .await;
    subscription.close().await;
    SagaTables::wait_until_consistent(&shop.aws, &[product], std::slice::from_ref(&order)).await;
    assert_eq!(shop.timeline(buyer, &order).await, timeline);
    assert_eq!(shop.stock(seller, product).await, (8, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ids_and_queues_fail_with_a_hint() {
    let shop = Shop::open();
    let rialto = operator(&shop);
    for words in ["dlq list --queue nowhere", "dlq redrive --queue nowhere --yes"] {
        rialto.run(words).await.with_status(1).output_containing(&[
            "\"nowhere\"",
            "Name one of",
            "orders-outbox",
        ]);
    }
    let unknown = "ord_00000000000000000000000000";
    rialto
        .run(&format!("reconcile --order {unknown}"))
        .await
        .with_status(1)
        .output_containing(&["No service knows"]);
    rialto
        .run(&format!("outbox resend --order {unknown} --yes"))
        .await
        .with_status(1)
        .output_containing(&["Check the id"]);
    rialto
        .run(&format!("saga stuck --order {unknown}"))
        .await
        .with_status(1)
        .output_containing(&["Orders doesn't know"]);
    rialto
        .run("--stage unknown dlq list")
        .await
        .with_status(1)
        .output_containing(&["no dead-letter queues"]);
}
