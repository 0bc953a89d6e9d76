//! Reads of the public lists and products, against a stub that records the requests.

use rialto_catalog::{
    adapters::dynamodb::DynamoCatalog,
    domain::{
        index::{IndexEntry, IndexKey, Sort},
        tokens::Tokens,
    },
    ports::{IndexReader, ProductReader, PublicProductReader, SellerEntryReader},
};
use rialto_dynamo::Table;
use rialto_kernel::{Amount, BrandId, CategoryId, ProductId, SellerId, Timestamp};
use rialto_testkit::http::{RecordedRequest, StubResponse, serve};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A catalog on a stub table, and the operations and bodies of its requests.
struct StubbedCatalog {
    store: DynamoCatalog,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl StubbedCatalog {
    fn new(respond: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        let requests: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let recorded = Arc::clone(&requests);
        let endpoint = serve(move |request: &RecordedRequest| {
            let operation = request.header("x-amz-target")?.rsplit('.').next()?.to_owned();
            let body: Value = serde_json::from_str(&request.body).ok()?;
            let response = respond(&body);
            recorded.lock().unwrap().push((operation, body));
            Some(StubResponse::new(200, response.to_string()))
        });
        let config = rialto_aws::emulator_config(&endpoint);
        let table = Table::named(&config, "rialto-test-catalog".to_owned());
        Self { store: DynamoCatalog::on(table), requests }
    }

    fn requests(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn entry(number: i64) -> IndexEntry {
    IndexEntry {
        product_id: ProductId::generate(Timestamp::from_millis(number)),
        seller_id: SellerId::derive(&[b"s"]),
        category_id: CategoryId::derive(&[b"c"]),
        brand_id: BrandId::derive(&[b"b"]),
        price: Amount::new(number).unwrap(),
        rating_tenths: 0,
        words: Tokens::of("red shoe"),
    }
}

/// A catalog of this many products, newest first, each in the partition that `shard_of` says. Pages
/// start at the newest.
fn list_of(entries: i64, shard_of: impl Fn(i64) -> i64 + Send + Sync + 'static) -> StubbedCatalog {
    StubbedCatalog::new(move |request| {
        let partition = request["ExpressionAttributeValues"][":partition"]["S"].as_str().unwrap();
        let shard: i64 = partition.strip_prefix("LIST#ALL#").unwrap().parse().unwrap();
        let limit = usize::try_from(request["Limit"].as_u64().unwrap()).unwrap();
        let newest_first = (1..=entries).rev().filter(|number| shard_of(*number) == shard);
        let items: Vec<Value> = newest_first
            .take(limit)
            .map(|number| {
                let entry = entry(number);
                json!({
                    "pk": { "S": partition },
                    "sk": { "S": entry.product_id.to_string() },
                    "product_id": { "S": entry.product_id.to_string() },
                    "seller_id": { "S": entry.seller_id.to_string() },
                    "category_id": { "S": entry.category_id.to_string() },
                    "brand_id": { "S": entry.brand_id.to_string() },
                    "price": { "N": number.to_string() },
                    "rating_tenths": { "N": "0" },
                    "words": { "L": [{ "S": "red" }, { "S": "shoe" }] },
                })
            })
            .collect();
        let mut response = json!({ "Items": items });
        if items.len() == limit {
            response["LastEvaluatedKey"] = json!({ "pk": items[0]["pk"], "sk": items[0]["sk"] });
        }
        response
    })
}

#[tokio::test]
async fn the_first_page_costs_the_same_for_a_long_list() {
    let mut costs = Vec::new();
    for entries in [1_000, 100_000] {
        let catalog = list_of(entries, |number| number % 4);
        let page = catalog.store.entries(&IndexKey::All, Sort::Newest, None, 21).await.unwrap();
        let prices: Vec<i64> = page.entries.iter().map(|entry| entry.price.minor_units()).collect();
        assert_eq!(prices, (0..21).map(|at| entries - at).collect::<Vec<_>>());
        assert!(page.has_more);
        let requests = catalog.requests();
        let limits = requests.iter().map(|(_, body)| body["Limit"].as_u64().unwrap());
        costs.push((requests.len(), limits.sum::<u64>()));
    }
    assert_eq!(costs, [(4, 44), (4, 44)]);
}

#[tokio::test]
async fn a_page_ends_where_a_partition_is_not_read_further() {
    let catalog = list_of(1_000, |_| 2);
    let page = catalog.store.entries(&IndexKey::All, Sort::Newest, None, 21).await.unwrap();
    let prices: Vec<i64> = page.entries.iter().map(|entry| entry.price.minor_units()).collect();
    assert_eq!(prices, (0..11).map(|at| 1_000 - at).collect::<Vec<_>>());
    assert!(page.has_more);
}

/// Whether each request asks for a consistent read.
fn consistency(catalog: &StubbedCatalog) -> Vec<bool> {
    let consistent = |(_, body): (String, Value)| {
        let batch = &body["RequestItems"]["rialto-test-catalog"]["ConsistentRead"];
        body["ConsistentRead"] == true || *batch == true
    };
    catalog.requests().into_iter().map(consistent).collect()
}

#[tokio::test]
async fn public_reads_are_eventually_consistent() {
    let catalog = StubbedCatalog::new(|_| json!({}));
    let product = ProductId::derive(&[b"p"]);
    assert_eq!(catalog.store.recent_product(product).await.unwrap(), None);
    let word = IndexKey::Word("shoe".to_owned());
    for sort in [Sort::Newest, Sort::Price, Sort::Rating] {
        catalog.store.entries(&IndexKey::All, sort, None, 20).await.unwrap();
        catalog.store.entries(&word, sort, None, 20).await.unwrap();
    }
    catalog.store.products(&[product]).await.unwrap();
    assert_eq!(consistency(&catalog), [false; 17]);
}

#[tokio::test]
async fn reads_before_a_change_are_consistent() {
    let catalog = StubbedCatalog::new(|_| json!({}));
    assert_eq!(catalog.store.product(ProductId::derive(&[b"p"])).await.unwrap(), None);
    catalog.store.seller_entries(SellerId::derive(&[b"s"]), None, 20).await.unwrap();
    assert_eq!(consistency(&catalog), [true; 2]);
}
