//! Lists: filters, sorting, pages and cursors.

use rialto_e2e::{
    shop::{DemoAccount, NewProduct, OrderDraft, Shop, unique},
    wait::eventually,
};
use serde_json::{Value, json};

/// A seller with products of several items, prices and statuses, which share a unique word.
struct ProductRange {
    shop: Shop,
    seller: DemoAccount,
    word: String,
    /// The public products, oldest first: one for each of [`PRICES`].
    shown: Vec<String>,
    /// The item of each public product, with its category and brand.
    items: Vec<Value>,
}

const PRICES: [i64; 7] = [500, 100, 300, 300, 700, 200, 600];

async fn range() -> ProductRange {
    let shop = Shop::open();
    let seller = shop.new_seller().await;
    let word = unique("word").replace('-', "");
    let items = shop.items().await;
    let (mut shown, mut used) = (Vec::new(), Vec::new());
    for (at, price) in PRICES.into_iter().enumerate() {
        let item = &items[at % items.len()];
        let parity = if at % 2 == 0 { "even" } else { "odd" };
        let mut body =
            shop.product_body(&NewProduct::new(&format!("{word} {parity} thing"), price, 1)).await;
        body["item_id"] = item["item_id"].clone();
        let made = shop.post("/products", &body).token(&seller.token).send().await.data(201);
        let id = made["product_id"].as_str().unwrap().to_owned();
        shop.set_status(&seller, &id, if at == 6 { "SOLD_OUT" } else { "SELL" }).await;
        shown.push(id);
        used.push(item.clone());
    }
    // Two products that aren't public.
    shop.register(&seller, &NewProduct::new(&format!("{word} not yet"), 1, 1)).await;
    let unregistered =
        shop.register(&seller, &NewProduct::new(&format!("{word} not any more"), 1, 1)).await;
    shop.set_status(&seller, &unregistered, "SELL").await;
    shop.set_status(&seller, &unregistered, "UNREGISTERED").await;
    ProductRange { shop, seller, word, shown, items: used }
}

fn ids(products: &[Value]) -> Vec<&str> {
    products.iter().map(|product| product["product_id"].as_str().unwrap()).collect()
}

impl ProductRange {
    /// Waits until a query lists these products in this order, because indexes lag.
    async fn wait_for_list(&self, query: &str, expected: &[&str]) {
        eventually(&format!("GET /products?{query}"), async || {
            let products =
                self.shop.pages(None, &format!("/products?{query}&limit=100")).await.concat();
            let found = ids(&products);
            if found == expected {
                Ok(())
            } else {
                Err(format!("got {found:?}, expected {expected:?}"))
            }
        })
        .await;
    }

    /// The ids of the public products that match, newest first.
    fn newest(&self, expected: impl Fn(usize) -> bool) -> Vec<&str> {
        let newest = self.shown.iter().enumerate().rev();
        newest.filter(|(at, _)| expected(*at)).map(|(_, id)| id.as_str()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_filtered() {
    let range = range().await;
    let (seller, word) = (&range.seller.id, &range.word);
    range.wait_for_list(&format!("seller_id={seller}"), &range.newest(|_| true)).await;
    range.wait_for_list(&format!("q={word}"), &range.newest(|_| true)).await;
    range
        .wait_for_list(
            &format!("q={}%20EVEN", word.to_uppercase()),
            &range.newest(|at| at % 2 == 0),
        )
        .await;
    range.wait_for_list(&format!("q={word}%20nothing"), &[]).await;
    // A query without a word finds nothing.
    for query in ["q=%21%3F", "q=%20"] {
        range.wait_for_list(query, &[]).await;
    }
    let within = range.newest(|at| (200..=500).contains(&PRICES[at]));
    range.wait_for_list(&format!("q={word}&price_min=200&price_max=500"), &within).await;
    range.wait_for_list(&format!("seller_id={seller}&price_max=99"), &[]).await;
    for name in ["category_id", "brand_id"] {
        let expected = range.items[0][name].as_str().unwrap();
        let alike = range.newest(|at| range.items[at][name] == expected);
        range.wait_for_list(&format!("q={word}&{name}={expected}"), &alike).await;
    }
    let another = range.shop.seeded_seller().await.id;
    range.wait_for_list(&format!("q={word}&seller_id={another}"), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_sorted_by_age_price_or_rating() {
    let range = range().await;
    let word = &range.word;
    range.wait_for_list(&format!("q={word}&sort=newest"), &range.newest(|_| true)).await;
    eventually("products in the order of their prices", async || {
        let products = range
            .shop
            .pages(None, &format!("/products?q={word}&sort=price&limit=100"))
            .await
            .concat();
        let prices: Vec<_> =
            products.iter().map(|product| product["price"].as_i64().unwrap()).collect();
        let mut sorted = PRICES;
        sorted.sort_unstable();
        if prices == sorted { Ok(()) } else { Err(format!("{prices:?}")) }
    })
    .await;
    let rated =
        range.shop.pages(None, &format!("/products?q={word}&sort=rating&limit=100")).await.concat();
    assert_eq!(rated.len(), PRICES.len());
    assert!(
        rated.iter().all(|product| product["rating_average"].is_null()),
        "no product has ratings"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_neither_skip_nor_repeat_products() {
    let range = range().await;
    for sort in ["newest", "price", "rating"] {
        let query = format!("seller_id={}&sort={sort}", range.seller.id);
        let expected = eventually("all products", async || {
            let all =
                range.shop.pages(None, &format!("/products?{query}&limit=100")).await.concat();
            if all.len() == PRICES.len() { Ok(all) } else { Err(format!("{} products", all.len())) }
        })
        .await;
        for limit in [1, 2, 3] {
            let pages = range.shop.pages(None, &format!("/products?{query}&limit={limit}")).await;
            assert!(pages.iter().all(|page| page.len() <= limit), "a page is too long");
            assert_eq!(ids(&pages.concat()), ids(&expected), "{sort}, pages of {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_are_rejected_if_altered_or_of_another_query() {
    let range = range().await;
    let (shop, word, seller) = (&range.shop, &range.word, &range.seller.id);
    let list = format!("/products?q={word}");
    range.wait_for_list(&format!("q={word}"), &range.newest(|_| true)).await;
    let page = shop.get(format!("{list}&limit=2")).send().await.expect(200).json();
    let cursor = page["pagination"]["next_cursor"].as_str().unwrap();
    assert_eq!(page["pagination"]["limit"], 2);
    // A cursor stays valid with another page size.
    let rest = shop.get(format!("{list}&limit=50&cursor={cursor}")).send().await.data(200);
    assert_eq!(rest.as_array().unwrap().len(), PRICES.len() - 2);

    let altered: Vec<String> = [0, cursor.len() / 2, cursor.len() - 2]
        .into_iter()
        .map(|at| {
            let other = if cursor.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &cursor[..at], &cursor[at + 1..])
        })
        .chain([cursor[1..].to_owned(), format!("{cursor}AAAA"), cursor.to_uppercase()])
        .collect();
    let mut bad: Vec<String> =
        altered.iter().map(|cursor| format!("{list}&cursor={cursor}")).collect();
    for other in [
        "/products?".to_owned(),
        format!("/products?q={word}&sort=price"),
        format!("/products?q={word}x"),
        format!("/products?seller_id={seller}"),
        format!("/products?q={word}&price_min=1"),
    ] {
        bad.push(format!("{other}&cursor={cursor}"));
    }
    for path in bad {
        let response = shop.get(path).send().await;
        assert_eq!(response.is_problem(400, "invalid", &["cursor"]), Ok(()));
    }
    // A cursor isn't valid for another list either.
    let own =
        shop.get(format!("/sellers/{seller}/products?cursor={cursor}")).token(&range.seller.token);
    assert_eq!(own.send().await.is_problem(400, "invalid", &["cursor"]), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_list_their_products_of_every_status() {
    let range = range().await;
    let path = format!("/sellers/{}/products?limit=4", range.seller.id);
    let own = eventually("all own products", async || {
        let own = range.shop.pages(Some(&range.seller), &path).await.concat();
        if own.len() == PRICES.len() + 2 { Ok(own) } else { Err(format!("{} products", own.len())) }
    })
    .await;
    let mut statuses: Vec<_> =
        own.iter().map(|product| product["chosen_status"].as_str().unwrap()).collect();
    statuses.dedup();
    assert_eq!(statuses, ["UNREGISTERED", "REGISTERED", "SOLD_OUT", "SELL"], "newest first");
    for hidden in &own[..2] {
        let id = hidden["product_id"].as_str().unwrap();
        range.shop.get(format!("/products/{id}")).send().await.problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_newest_first_or_by_state() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Ordered often", 100, 3)).await;
    let mut orders = Vec::new();
    for quantity in [1, 4, 1, 4, 1] {
        let order = shop.place(&buyer, &OrderDraft::of(&[(&product, quantity)])).await;
        shop.wait_until_settled(&buyer, &order).await;
        orders.insert(0, order);
    }
    let listed = async |query: &str| {
        let path = format!("/users/{}/orders?{query}", buyer.id);
        let orders = shop.pages(Some(&buyer), &path).await.concat();
        orders
            .iter()
            .map(|order| order["order_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("limit=100").await, orders);
    assert_eq!(listed("limit=2").await, orders);
    let pick = |places: [usize; 3]| places.map(|at| orders[at].clone()).to_vec();
    assert_eq!(listed("limit=2&state=CONFIRMED").await, pick([0, 2, 4]));
    assert_eq!(listed("limit=1&state=CANCELLED").await, vec![orders[1].clone(), orders[3].clone()]);
    assert_eq!(listed("limit=2&state=PENDING").await, Vec::<String>::new());
    let other = shop.new_buyer().await;
    let empty =
        shop.get(format!("/users/{}/orders", other.id)).token(&other.token).send().await.json();
    assert_eq!(
        empty,
        json!({"data": [], "pagination": {"limit": 20, "next_cursor": null, "has_more": false}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn public_products_may_be_cached_for_seconds() {
    let shop = Shop::open();
    let list = shop.get("/products?limit=1").send().await.expect(200);
    assert_eq!(list.header("cache-control"), Some("public, max-age=5"));
    let unknown = rialto_kernel::ProductId::derive(&[b"unknown"]);
    let missing = shop.get(format!("/products/{unknown}")).send().await.expect(404);
    assert_eq!(missing.header("cache-control"), Some("no-store"));
}
