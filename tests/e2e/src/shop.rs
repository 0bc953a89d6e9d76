//! The shop as its users see it: accounts, products, orders.

use crate::{
    aws::Aws,
    http::{HttpClient, HttpRequest, HttpResponse},
    local::{Local, Login},
    wait::eventually,
};
use rialto_kernel::{Clock, EventId, SystemClock, UserId};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

/// Client of the deployed shop.
#[derive(Debug, Clone)]
pub struct Shop {
    pub http: HttpClient,
    pub aws: Aws,
    local: &'static Local,
}

/// An account with an access token.
#[derive(Debug, Clone)]
pub struct DemoAccount {
    pub id: String,
    pub email: String,
    pub password: String,
    pub token: String,
}

/// A product to register: title, price in minor units, initial stock.
#[derive(Debug, Clone)]
pub struct NewProduct {
    pub title: String,
    pub price: i64,
    pub stock: i64,
}

impl NewProduct {
    pub fn new(title: &str, price: i64, stock: i64) -> Self {
        Self { title: title.to_owned(), price, stock }
    }
}

/// An order to place.
#[derive(Debug, Clone)]
pub struct OrderDraft {
    pub lines: Vec<(String, i64)>,
    pub method: &'static str,
    pub key: String,
}

pub const PAYS: &str = "pm_card_visa";
pub const DECLINES: &str = "pm_card_chargeDeclined";
pub const LACKS_FUNDS: &str = "pm_card_chargeDeclinedInsufficientFunds";

/// The events of a paid order with one line, each the cause of the next.
pub const EVENTS_OF_A_SALE: [&str; 5] =
    ["OrderPlaced", "StockReserved", "PaymentCaptured", "OrderConfirmed", "DeliveryPrepared"];

impl OrderDraft {
    /// An order paid with a valid card, under a new idempotency key.
    pub fn of(lines: &[(&str, i64)]) -> Self {
        let lines =
            lines.iter().map(|(product, quantity)| ((*product).to_owned(), *quantity)).collect();
        Self { lines, method: PAYS, key: unique("key") }
    }

    #[must_use]
    pub fn paid_by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub fn body(&self) -> Value {
        let line = |(product_id, quantity): &(String, i64)| json!({ "product_id": product_id, "quantity": quantity });
        json!({
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "address": address(),
            "payment_method": self.method,
        })
    }
}

/// Personal data of the tests' accounts, distinctive enough to search logs and events for.
pub const PERSONAL: &[&str] = &["Ottilie Example", "Nowhere Lane", "NW 98765", "+4915550100"];

/// An address made of [`PERSONAL`] data.
pub fn address() -> Value {
    json!({
        "receiver": "Ottilie Example",
        "line1": "7 Nowhere Lane",
        "zipcode": "NW 98765",
        "phone": "+4915550100",
        "drop_off": "DOOR",
    })
}

/// A text that no other test uses.
pub fn unique(what: &str) -> String {
    let id = EventId::generate(SystemClock.now()).to_string();
    format!("{what}-{}", id.trim_start_matches("evt_"))
}

/// How long a token is reused: less than its lifetime.
const TOKEN_REUSE_PERIOD: Duration = Duration::from_secs(10 * 60);

impl Shop {
    /// # Panics
    /// Without `RIALTO_LOCAL`.
    pub fn open() -> Self {
        let local = Local::read();
        Self { http: HttpClient::new(&local.api_url), aws: Aws::open(local), local }
    }

    pub fn get(&self, path: impl Into<String>) -> HttpRequest {
        self.http.request("GET", path)
    }

    pub fn post(&self, path: impl Into<String>, body: &Value) -> HttpRequest {
        self.http.request("POST", path).json(body)
    }

    pub fn put(&self, path: impl Into<String>, body: &Value) -> HttpRequest {
        self.http.request("PUT", path).json(body)
    }

    pub fn patch(&self, path: impl Into<String>, body: &Value) -> HttpRequest {
        self.http.request("PATCH", path).json(body)
    }

    /// The demo shop's supervisor.
    pub async fn supervisor(&self) -> DemoAccount {
        self.seeded(&self.local.accounts.supervisor).await
    }

    /// The demo shop's first seller.
    pub async fn seeded_seller(&self) -> DemoAccount {
        self.seeded(&self.local.accounts.sellers[0]).await
    }

    async fn seeded(&self, login: &Login) -> DemoAccount {
        static KNOWN: OnceLock<Mutex<HashMap<String, (Instant, DemoAccount)>>> = OnceLock::new();
        let known = KNOWN.get_or_init(Mutex::default);
        if let Some((since, account)) = known.lock().unwrap().get(&login.email)
            && since.elapsed() < TOKEN_REUSE_PERIOD
        {
            return account.clone();
        }
        let account = self.log_in(&login.email, &login.password).await;
        known.lock().unwrap().insert(login.email.clone(), (Instant::now(), account.clone()));
        account
    }

    pub async fn log_in(&self, email: &str, password: &str) -> DemoAccount {
        let body = json!({ "email": email, "password": password });
        let data = self.post("/auth/login", &body).send().await.data(200);
        DemoAccount {
            id: data["account_id"].as_str().unwrap().to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
            token: data["access_token"].as_str().unwrap().to_owned(),
        }
    }

    pub async fn new_buyer(&self) -> DemoAccount {
        let body = account_body("buyer");
        self.post("/users", &body).send().await.data(201);
        self.log_in(body["email"].as_str().unwrap(), body["password"].as_str().unwrap()).await
    }

    pub async fn new_seller(&self) -> DemoAccount {
        let body = account_body("seller");
        let supervisor = self.supervisor().await;
        self.post("/sellers", &body).token(&supervisor.token).send().await.data(201);
        self.log_in(body["email"].as_str().unwrap(), body["password"].as_str().unwrap()).await
    }

    /// Items of the demo shop to register products of, no two with the same category or brand.
    pub async fn items(&self) -> Vec<Value> {
        let response = self.get("/products?limit=100").send().await.data(200);
        let mut items: Vec<Value> = Vec::new();
        for product in response.as_array().unwrap() {
            let alike = |known: &Value| {
                known["category_id"] == product["category_id"]
                    || known["brand_id"] == product["brand_id"]
            };
            if !items.iter().any(alike) {
                items.push(product.clone());
            }
        }
        assert!(!items.is_empty(), "the demo shop has no products: run rialto seed");
        items
    }

    /// A valid body for registering a product.
    pub async fn product_body(&self, new_product: &NewProduct) -> Value {
        static ITEM: OnceLock<String> = OnceLock::new();
        let item = match ITEM.get() {
            Some(item) => item.clone(),
            None => {
                let item = self.items().await[0]["item_id"].as_str().unwrap().to_owned();
                ITEM.get_or_init(|| item).clone()
            }
        };
        json!({
            "item_id": item,
            "title": new_product.title,
            "price": new_product.price,
            "initial_stock": new_product.stock,
        })
    }

    /// Registers a product, which isn't public yet, and returns its id.
    pub async fn register(&self, seller: &DemoAccount, new_product: &NewProduct) -> String {
        let body = self.product_body(new_product).await;
        let data = self.post("/products", &body).token(&seller.token).send().await.data(201);
        data["product_id"].as_str().unwrap().to_owned()
    }

    pub async fn set_status(&self, seller: &DemoAccount, product: &str, status: &str) -> Value {
        let call = self.put(format!("/products/{product}/status"), &json!({ "status": status }));
        call.token(&seller.token).send().await.data(200)
    }

    /// Registers a product, puts it on sale, waits until it can be ordered, and returns its id.
    pub async fn product(&self, seller: &DemoAccount, new_product: &NewProduct) -> String {
        let product = self.register(seller, new_product).await;
        self.set_status(seller, &product, "SELL").await;
        self.wait_until_orderable(&product).await;
        product
    }

    /// Waits until inventory and orders know a product.
    pub async fn wait_until_orderable(&self, product: &str) {
        let supervisor = self.supervisor().await;
        eventually("inventory to know the product", async || {
            let response = self
                .get(format!("/products/{product}/stock"))
                .token(&supervisor.token)
                .send()
                .await;
            if response.status == 200 { Ok(()) } else { Err(response) }
        })
        .await;
        // An impossible `expected_total` returns a quote and places nothing.
        let unknown = UserId::generate(SystemClock.now());
        let mut body = OrderDraft::of(&[(product, 1)]).body();
        body["expected_total"] = json!(0);
        eventually("orders to know the product", async || {
            let call =
                self.post(format!("/users/{unknown}/orders"), &body).token(&supervisor.token);
            let response = call.header("idempotency-key", "quote").send().await;
            response.is_problem(409, "price_changed", &[])
        })
        .await;
    }

    /// Waits until the catalog shows a product with this status, and whether it is in stock.
    pub async fn wait_for_status(&self, product: &str, expected: (&str, bool)) {
        eventually("the catalog to show the product's status", async || {
            let data = self.get(format!("/products/{product}")).send().await.data(200);
            let shown = (data["status"].as_str().unwrap(), data["in_stock"].as_bool().unwrap());
            if shown == expected {
                Ok(())
            } else {
                Err(format!("got {shown:?}, expected {expected:?}"))
            }
        })
        .await;
    }

    /// The available, reserved and sold pieces of a product.
    ///
    /// # Panics
    /// Unless the account may see them.
    pub async fn stock(&self, by: &DemoAccount, product: &str) -> (u64, u64, u64) {
        let data =
            self.get(format!("/products/{product}/stock")).token(&by.token).send().await.data(200);
        let number = |name: &str| data[name].as_u64().unwrap();
        (number("available"), number("reserved"), number("sold"))
    }

    pub fn place_request(&self, buyer: &DemoAccount, draft: &OrderDraft) -> HttpRequest {
        let call =
            self.post(format!("/users/{}/orders", buyer.id), &draft.body()).token(&buyer.token);
        call.header("idempotency-key", draft.key.clone())
    }

    /// Places an order, retrying under the same key on transient errors, and returns its id.
    pub async fn place(&self, buyer: &DemoAccount, draft: &OrderDraft) -> String {
        let placed = eventually("an order to be placed", async || {
            let response = self.place_request(buyer, draft).send().await;
            if matches!(response.status, 429 | 503 | 504) { Err(response) } else { Ok(response) }
        })
        .await;
        placed.data(201)["order_id"].as_str().unwrap().to_owned()
    }

    pub async fn order(&self, by: &DemoAccount, order: &str) -> Value {
        self.get(format!("/orders/{order}")).token(&by.token).send().await.data(200)
    }

    /// Waits until an order isn't PENDING any more, and returns it.
    pub async fn wait_until_settled(&self, by: &DemoAccount, order: &str) -> Value {
        eventually(&format!("{order} to be settled"), async || {
            let order = self.order(by, order).await;
            if order["state"] == "PENDING" { Err("the order is PENDING") } else { Ok(order) }
        })
        .await
    }

    /// Waits until none of a buyer's orders is PENDING.
    pub async fn wait_until_all_settled(&self, buyer: &DemoAccount) {
        eventually("a buyer's orders to be settled", async || {
            let pending = self.get(format!("/users/{}/orders?state=PENDING", buyer.id));
            let pending = pending.token(&buyer.token).send().await.data(200);
            if pending == json!([]) { Ok(()) } else { Err("some are PENDING") }
        })
        .await;
    }

    pub async fn timeline(&self, by: &DemoAccount, order: &str) -> Vec<Value> {
        let call = self.get(format!("/orders/{order}/timeline")).token(&by.token);
        call.send().await.data(200).as_array().unwrap().clone()
    }

    /// Waits until an order's timeline consists of events of these types in this order, and returns
    /// it.
    pub async fn timeline_events(
        &self,
        by: &DemoAccount,
        order: &str,
        types: &[&str],
    ) -> Vec<Value> {
        eventually(&format!("the timeline of {order} to be {types:?}"), async || {
            let timeline = self.timeline(by, order).await;
            let found: Vec<_> =
                timeline.iter().map(|entry| entry["type"].as_str().unwrap()).collect();
            if found == types { Ok(timeline) } else { Err(format!("it is {found:?}")) }
        })
        .await
    }

    pub async fn payment(&self, by: &DemoAccount, order: &str) -> HttpResponse {
        self.get(format!("/orders/{order}/payment")).token(&by.token).send().await
    }

    /// Waits until an order's payment is in this state, and returns it.
    pub async fn wait_for_payment(&self, by: &DemoAccount, order: &str, state: &str) -> Value {
        eventually(&format!("the payment to be {state}"), async || {
            let response = self.payment(by, order).await;
            if response.status == 200 && response.json()["data"]["state"] == state {
                Ok(response.data(200))
            } else {
                Err(response)
            }
        })
        .await
    }

    /// All pages of a list. The path must already have a query.
    pub async fn pages(&self, by: Option<&DemoAccount>, path: &str) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut cursor = String::new();
        loop {
            let call = self.get(format!("{path}{cursor}"));
            let call = by.into_iter().fold(call, |call, account| call.token(&account.token));
            let page = call.send().await.expect(200).json();
            pages.push(page["data"].as_array().unwrap().clone());
            let pagination = &page["pagination"];
            assert_eq!(pagination["has_more"], !pagination["next_cursor"].is_null(), "{page}");
            match pagination["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return pages,
            }
        }
    }
}

/// A valid body for registering a buyer or seller.
pub fn account_body(role: &str) -> Value {
    json!({
        "email": format!("{}@e2e.example", unique(role)),
        "password": unique("correct horse"),
        "name": "Ottilie Example",
        "phone": "+4915550100",
    })
}
