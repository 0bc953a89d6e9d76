//! Events derived from the stream's images: stock depleted and replenished, with their context.

use rialto_contracts::{Event, EventContext};
use rialto_dynamo::{AttributeValue, Key, Table};
use rialto_inventory::{
    SERVICE,
    adapters::dynamodb::{DynamoInventory, stock_threshold_events},
    domain::{adjustment::Adjustment, stock::Stock},
    ports::{AdjustmentRecord, StockAdjuster, StockInitializer},
};
use rialto_kernel::{Clock, ProductId, SellerId, SystemClock, Text, Write};
use rialto_relay::ItemImage;
use serde_json::json;

/// A product's stock item, in the form of a stream image.
async fn image(table: &Table, product: ProductId) -> ItemImage {
    let item = table.get(&Key::new(format!("PRODUCT#{product}"), "STOCK")).await.unwrap().unwrap();
    let typed = |value: &AttributeValue| match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        other => panic!("{other:?}"),
    };
    item.iter()
        .map(|(name, value)| (name.clone(), typed(value)))
        .collect::<serde_json::Value>()
        .into()
}

/// Adjusts a product's stock and returns the derived events.
async fn adjust(
    store: &DynamoInventory,
    table: &Table,
    product: ProductId,
    quantity: i64,
    cause: &EventContext,
) -> Vec<Event> {
    let before = image(table, product).await;
    let key = cause.traceparent.clone().unwrap();
    let (stock, _) = store.load(product, &key).await.unwrap();
    let adjustment = Adjustment { quantity, reason: Text::parse("counted").unwrap() };
    let (stock, movement) = adjustment.apply(&stock.unwrap(), &key, SystemClock.now()).unwrap();
    let record =
        AdjustmentRecord { key, body_hash: "h".to_owned(), response_body: "{}".to_owned() };
    assert_eq!(store.adjust(&stock, &movement, &record, cause).await.unwrap(), Write::Done);
    stock_threshold_events(&before, &image(table, product).await)
}

#[tokio::test]
async fn depletion_and_replenishment_keep_the_trace_context() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoInventory::on(table.clone());
    let product = ProductId::generate(SystemClock.now());
    let (stock, movement) =
        Stock::initial(product, SellerId::derive(&[b"s"]), 2, SystemClock.now());
    assert_eq!(store.initialize(&stock, &movement).await.unwrap(), Write::Done);
    let trace = |digit: &str| Some(format!("00-{}-{}-01", digit.repeat(32), digit.repeat(16)));

    for (quantity, expected, digit) in
        [(-1, None, "a"), (-1, Some("StockDepleted"), "b"), (2, Some("StockReplenished"), "c")]
    {
        let cause = EventContext { traceparent: trace(digit), ..EventContext::default() };
        let events = adjust(&store, &table, product, quantity, &cause).await;
        assert_eq!(events.first().map(|event| event.kind.as_str()), expected);
        assert!(events.iter().all(|event| event.traceparent == trace(digit)), "{events:?}");
        assert!(
            events.iter().all(|event| event.causationid.is_none()),
            "an adjustment has no causing event: {events:?}"
        );
    }
}
