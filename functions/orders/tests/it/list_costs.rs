//! What a first page of the lists of all orders and of a seller's orders costs, against a stub of
//! the table that records the requests.

use rialto_dynamo::Table;
use rialto_kernel::{OrderId, SellerId, Timestamp};
use rialto_orders::{
    adapters::dynamodb::DynamoOrders,
    fixtures::{buyer, confirmed, order_placed_by, product},
    ports::{AllOrdersLister, SellerOrderLister},
};
use rialto_testkit::http::{RecordedRequest, StubResponse, serve};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// The operation of each request, and how many entries or items it asks for.
type Requests = Mutex<Vec<(String, u64)>>;

const TABLE: &str = "rialto-test-orders";

/// A value in DynamoDB's form.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(values) => json!({ "L": values.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(fields) => json!({ "M": attributes(fields) }),
    }
}

fn attributes(fields: &Map<String, Value>) -> Map<String, Value> {
    fields.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

/// A confirmed order under this key of the table.
fn order_item(key: &Value) -> Value {
    let now = Timestamp::from_millis(0);
    let mut order = confirmed(&order_placed_by(buyer(), "k", now).order, now).order;
    let id = key["pk"]["S"].as_str().unwrap().strip_prefix("ORDER#").unwrap();
    order.order_id = OrderId::parse(id).unwrap();
    let Value::Object(fields) = serde_json::to_value(&order).unwrap() else { panic!("no object") };
    let mut item = attributes(&fields);
    item.extend([("pk".to_owned(), key["pk"].clone()), ("sk".to_owned(), key["sk"].clone())]);
    Value::Object(item)
}

/// The first page of a partition with `entries` entries, or of the list of `days` days.
fn query_response(request: &Value, entries: u64, days: u64) -> Value {
    let partition = request["ExpressionAttributeValues"][":partition"]["S"].as_str().unwrap();
    let limit = request["Limit"].as_u64().unwrap();
    let index = request["IndexName"].as_str();
    let count = if index.is_some() { entries } else { days };
    let item = |at: u64| match index {
        Some(index) => {
            let id = OrderId::derive(&[partition.as_bytes(), &at.to_be_bytes()]);
            let created_at = Timestamp::from_millis(i64::try_from(entries - at).unwrap());
            json!({
                "pk": { "S": format!("ORDER#{id}") },
                "sk": { "S": "ORDER" },
                format!("{index}_pk"): { "S": partition },
                format!("{index}_sk"): { "S": format!("{created_at}#{id}") },
            })
        }
        None => json!({
            "pk": { "S": partition },
            "sk": { "S": format!("DAY#2026-{:02}-{:02}", 12 - at / 28, 28 - at % 28) },
        }),
    };
    let items: Vec<Value> = (0..count.min(limit)).map(item).collect();
    match items.last() {
        Some(last) if count > limit => json!({ "Items": items, "LastEvaluatedKey": last }),
        _ => json!({ "Items": items }),
    }
}

/// A table with this many entries in each partition of an index, on this many days. Pages start at
/// the newest. Records the requests.
fn stub(entries: u64, days: u64) -> (DynamoOrders, Arc<Requests>) {
    let requests: Arc<Requests> = Arc::default();
    let recorded = Arc::clone(&requests);
    let endpoint = serve(move |request: &RecordedRequest| {
        let operation = request.header("x-amz-target")?.rsplit('.').next()?.to_owned();
        let body: Value = serde_json::from_str(&request.body).ok()?;
        let (response, count) = if operation == "Query" {
            (query_response(&body, entries, days), body["Limit"].as_u64()?)
        } else {
            let keys = body["RequestItems"][TABLE]["Keys"].as_array()?;
            let items: Vec<Value> = keys.iter().map(order_item).collect();
            (json!({ "Responses": { TABLE: items } }), u64::try_from(keys.len()).ok()?)
        };
        recorded.lock().unwrap().push((operation, count));
        Some(StubResponse::new(200, response.to_string()))
    });
    let config = rialto_aws::emulator_config(&endpoint);
    (DynamoOrders::on(Table::named(&config, TABLE.to_owned())), requests)
}

fn cost(requests: &Requests) -> Vec<(String, u64)> {
    std::mem::take(&mut requests.lock().unwrap())
}

#[tokio::test]
async fn a_sellers_first_page_costs_the_same_for_a_long_list() {
    for (entries, read) in [(10, 10), (1_000, 20), (100_000, 20)] {
        let (store, requests) = stub(entries, 1);
        let seller: SellerId = product().seller_id;
        let (orders, next) = store.list_by_seller(seller, None, 20, None).await.unwrap();
        assert_eq!((orders.len() as u64, next.is_some()), (read, entries > 20));
        let expected = [("Query".to_owned(), 20), ("BatchGetItem".to_owned(), read)];
        assert_eq!(cost(&requests), expected, "{entries}");
    }
}

#[tokio::test]
async fn a_first_page_of_all_orders_costs_the_same_for_a_long_list() {
    for (entries, days) in [(100, 1), (100_000, 1), (100_000, 300)] {
        let (store, requests) = stub(entries, days);
        let (orders, next) = store.list_all(None, 20, None).await.unwrap();
        assert_eq!((orders.len(), next.is_some()), (20, true));
        let mut expected = vec![("Query".to_owned(), 31)];
        expected.extend(vec![("Query".to_owned(), 8); 8]);
        expected.push(("BatchGetItem".to_owned(), 20));
        assert_eq!(cost(&requests), expected, "{entries} entries of {days} days");
    }
}

#[tokio::test]
async fn a_page_of_all_orders_examines_a_bounded_number_of_days() {
    let (store, requests) = stub(0, 300);
    let (orders, next) = store.list_all(None, 20, None).await.unwrap();
    assert_eq!((orders.len(), next.is_some()), (0, true));
    assert_eq!(cost(&requests).len(), 1 + 31 * 8);
}
