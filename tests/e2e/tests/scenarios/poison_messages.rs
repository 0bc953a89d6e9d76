//! One unreadable message among nine valid ones.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use rialto_contracts::{
    Event, EventContext,
    catalog::{ProductRegistered, ProductStatus},
};
use rialto_e2e::{
    bus, logs,
    retries::{FEW_RECEIVES, with_few_receives},
    shop::{DemoAccount, Shop, unique},
    wait::eventually,
};
use rialto_kernel::{Amount, Clock, ItemId, ProductId, SellerId, SystemClock};
use serde_json::json;

const CONSUMER: &str = "inventory-on-catalog";
const PIECES: u32 = 7;

/// The ids of nine products, and their registration events with a poison message among them.
fn batch(seller: &DemoAccount, poison: &str) -> (Vec<String>, Vec<String>) {
    let now = SystemClock.now();
    let (mut products, mut messages) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let registered = ProductRegistered {
            product_id: ProductId::generate(now),
            seller_id: SellerId::parse(&seller.id).unwrap(),
            item_id: ItemId::generate(now),
            title: "Nine of ten".to_owned(),
            price: Amount::new(100).unwrap(),
            initial_stock: PIECES,
            flash_sale: false,
            status: ProductStatus::Registered,
        };
        let event = Event::new(&registered, 1, 0, now, &EventContext::default());
        products.push(registered.product_id.to_string());
        messages.push(bus::message(&event.source, &event.kind, &json!(event)));
    }
    messages.insert(4, poison.to_owned());
    (products, messages)
}

/// Asserts that each product's stock was created once.
async fn assert_created_once(shop: &Shop, seller: &DemoAccount, products: &[String]) {
    for product in products {
        assert_eq!(shop.stock(seller, product).await, (u64::from(PIECES), 0, 0));
        let movements =
            shop.pages(Some(seller), &format!("/products/{product}/stock/movements?limit=9")).await;
        assert_eq!(movements.concat().len(), 1, "{movements:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_unreadable_message_of_a_batch_fails() {
    let shop = Shop::open();
    let seller = shop.new_seller().await;
    for poison in ["not JSON", "{}", r#"{"detail":{"specversion":"1.0"}}"#, "[1,2]", ""] {
        let (products, messages) = batch(&seller, poison);
        assert_eq!(shop.aws.consume(CONSUMER, &messages).await, ["4"], "{poison:?}");
        assert_created_once(&shop, &seller, &products).await;
        // The same batch again, in reverse.
        let reversed: Vec<String> = messages.into_iter().rev().collect();
        assert_eq!(shop.aws.consume(CONSUMER, &reversed).await, ["5"], "{poison:?}");
        assert_created_once(&shop, &seller, &products).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_is_moved_to_the_dead_letter_queue() {
    let shop = Shop::open();
    with_few_receives(&shop.aws, CONSUMER, send_poison(&shop)).await;
}

async fn send_poison(shop: &Shop) {
    let seller = shop.new_seller().await;
    let since = SystemClock.now().millis();
    let poison = unique("poison");
    let (products, messages) = batch(&seller, &poison);
    let entry = |(at, body): (usize, &String)| {
        let entry = SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(body);
        entry.build().unwrap()
    };
    let entries = messages.iter().enumerate().map(entry).collect();
    let queue_url = shop.aws.queue_url(CONSUMER).await;
    let sent = shop.aws.queues.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
    let sent = sent.send().await.unwrap();
    let poison_id =
        sent.successful.iter().find(|entry| entry.id == "4").unwrap().message_id.clone();

    let dead_letters = shop.aws.queue_url(&format!("{CONSUMER}-dead-letters")).await;
    eventually("the poison to be a dead letter", async || {
        let received =
            shop.aws.queues.receive_message().queue_url(&dead_letters).max_number_of_messages(10);
        let received =
            received.visibility_timeout(1).send().await.unwrap().messages.unwrap_or_default();
        let Some(found) = received.iter().find(|message| message.body() == Some(&poison)) else {
            return Err(format!("{} other messages", received.len()));
        };
        let delete = shop.aws.queues.delete_message().queue_url(&dead_letters);
        delete.receipt_handle(found.receipt_handle().unwrap()).send().await.unwrap();
        Ok(())
    })
    .await;
    assert_created_once(shop, &seller, &products).await;

    let lines = logs::lines(&shop.aws, "inventory", since, &poison_id).await;
    let mut receives: Vec<&str> = lines.iter().map(|line| line.text_of("receives")).collect();
    receives.sort_unstable();
    let expected: Vec<String> = (1..=FEW_RECEIVES).map(|receives| receives.to_string()).collect();
    assert_eq!(receives, expected);
    assert!(lines.iter().all(|line| line.text_of("level") == "ERROR"), "{lines:?}");
    assert!(
        lines.iter().all(|line| !line.text.contains(&poison)),
        "a message body is in the log: {lines:?}"
    );
    for product in &products {
        let lines = logs::lines(&shop.aws, "inventory", since, product).await;
        let consumed = |line: &&logs::Line| {
            line.text_of("function") == CONSUMER && line.text_of("message") == "consumed"
        };
        assert_eq!(
            lines.iter().filter(consumed).count(),
            1,
            "{product} was consumed again: {lines:?}"
        );
    }
}
