//! `ETag` and `If-Match` of accounts, profiles, addresses and products.

use rialto_e2e::{
    http::{HttpRequest, HttpResponse},
    shop::{DemoAccount, NewProduct, Shop, address, unique},
    wait::eventually,
};
use serde_json::{Value, json};

/// The quoted tag in a response's `ETag` header.
#[track_caller]
fn etag(response: &HttpResponse) -> String {
    assert_eq!(response.status, 200, "{response}");
    let tag = response.header("etag").unwrap_or_else(|| panic!("no ETag: {response}"));
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{response}");
    tag.to_owned()
}

async fn get(shop: &Shop, account: &DemoAccount, path: &str) -> HttpResponse {
    shop.get(path).token(&account.token).send().await
}

/// A resource with the request that changes it.
struct Resource<'a> {
    shop: &'a Shop,
    owner: &'a DemoAccount,
    path: String,
    method: &'static str,
    field: &'static str,
}

impl Resource<'_> {
    fn change(&self, value: &str) -> HttpRequest {
        let body = json!({ self.field: value });
        self.shop.http.request(self.method, &self.path).json(&body).token(&self.owner.token)
    }

    async fn changed_if(&self, if_match: &str, value: &str) -> HttpResponse {
        self.change(value).header("if-match", if_match).send().await
    }

    async fn tag(&self) -> String {
        etag(&get(self.shop, self.owner, &self.path).await)
    }

    async fn data(&self) -> Value {
        get(self.shop, self.owner, &self.path).await.data(200)
    }
}

async fn assert_preconditions_hold(resource: &Resource<'_>) {
    let first = resource.tag().await;
    assert_eq!(resource.tag().await, first);
    let supervisor = resource.shop.supervisor().await;
    assert_eq!(etag(&get(resource.shop, &supervisor, &resource.path).await), first);

    resource.changed_if(&first, "First").await.data(200);
    let second = resource.tag().await;
    assert_ne!(second, first);
    let stored = resource.data().await;
    for stale in [first.clone(), format!("W/{second}"), "\"other\"".to_owned()] {
        resource.changed_if(&stale, "Stale").await.problem(412, "precondition_failed");
    }
    for malformed in ["second", "\"", "*, *"] {
        let response = resource.changed_if(malformed, "Malformed").await;
        assert_eq!(response.is_problem(400, "invalid", &["If-Match"]), Ok(()));
    }
    assert_eq!(resource.data().await, stored);
    assert_eq!(resource.tag().await, second);

    resource.changed_if(&format!("{first}, {second}"), "Second").await.data(200);
    resource.changed_if("*", "Third").await.data(200);
    resource.change("Fourth").send().await.data(200);
    assert_eq!(resource.data().await[resource.field], "Fourth");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyers_account_changes_only_from_the_version_read() {
    let shop = Shop::open();
    let buyer = &shop.new_buyer().await;
    let path = format!("/users/{}", buyer.id);
    let resource = Resource { shop: &shop, owner: buyer, path, method: "PATCH", field: "name" };
    assert_preconditions_hold(&resource).await;
    let with_orders = get(&shop, buyer, &format!("{}?include=orders", resource.path)).await;
    assert_eq!(etag(&with_orders), resource.tag().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sellers_account_changes_only_from_the_version_read() {
    let shop = Shop::open();
    let seller = &shop.new_seller().await;
    let path = format!("/sellers/{}", seller.id);
    let resource = Resource { shop: &shop, owner: seller, path, method: "PATCH", field: "name" };
    assert_preconditions_hold(&resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_only_from_the_version_read() {
    let shop = Shop::open();
    let buyer = &shop.new_buyer().await;
    let path = format!("/users/{}/profile", buyer.id);
    let resource = Resource { shop: &shop, owner: buyer, path, method: "PUT", field: "nickname" };
    assert_preconditions_hold(&resource).await;
    let public = shop.get(format!("/users/{}/public", buyer.id)).send().await;
    assert_eq!(etag(&public), resource.tag().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_only_from_the_version_read() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let list = format!("/users/{}/addresses", buyer.id);
    let added = shop.post(&list, &address()).token(&buyer.token).send().await.data(201);
    let path = format!("{list}/{}", added["address_id"].as_str().unwrap());
    let first = added["etag"].as_str().unwrap().to_owned();
    assert_eq!(get(&shop, &buyer, &list).await.data(200)[0], added);

    let call = |method, if_match: &str| {
        shop.http.request(method, &path).header("if-match", if_match).token(&buyer.token)
    };
    let mut moved = address();
    moved["line2"] = json!("First floor");
    let replaced = call("PUT", &first).json(&moved).send().await.data(200);
    let second = replaced["etag"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    for stale in [first.clone(), format!("W/{second}")] {
        call("PUT", &stale).json(&address()).send().await.problem(412, "precondition_failed");
        call("DELETE", &stale).send().await.problem(412, "precondition_failed");
    }
    assert_eq!(get(&shop, &buyer, &list).await.data(200)[0], replaced);
    call("DELETE", &second).send().await.expect(204);
    call("PUT", "*").json(&address()).send().await.problem(404, "not_found");
    call("DELETE", "*").send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_are_checked_after_access_and_before_state() {
    let shop = Shop::open();
    let (buyer, other) = (shop.new_buyer().await, shop.new_buyer().await);
    let supervisor = shop.supervisor().await;
    let path = format!("/users/{}", buyer.id);
    let rename = |if_match: &str| {
        shop.patch(&path, &json!({ "name": "Renamed" })).header("if-match", if_match)
    };
    rename("\"stale\"").send().await.problem(401, "unauthenticated");
    rename("\"stale\"").token(&other.token).send().await.problem(403, "forbidden");
    let unknown = "/users/usr_01kaka00000000000000000001";
    let unknown = shop.patch(unknown, &json!({ "name": "Renamed" })).token(&supervisor.token);
    unknown.header("if-match", "\"stale\"").send().await.problem(404, "not_found");

    shop.http.request("DELETE", &path).token(&buyer.token).send().await.expect(204);
    let current = etag(&get(&shop, &supervisor, &path).await);
    let refused = rename("\"stale\"").token(&supervisor.token).send().await;
    refused.problem(412, "precondition_failed");
    let refused = rename(&current).token(&supervisor.token).send().await;
    refused.problem(409, "illegal_transition");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_different_fields_are_both_applied() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let path = format!("/users/{}", buyer.id);
    let change = |body: Value| shop.patch(&path, &body).token(&buyer.token).send();
    let (name, phone) = tokio::join!(
        change(json!({ "name": "Renamed" })),
        change(json!({ "phone": "+4915550177" })),
    );
    name.data(200);
    phone.data(200);
    let account = get(&shop, &buyer, &path).await.data(200);
    assert_eq!((&account["name"], &account["phone"]), (&json!("Renamed"), &json!("+4915550177")));
}

/// A public product of a new seller: its path and its seller.
async fn public_product(shop: &Shop, stock: i64) -> (String, DemoAccount) {
    let seller = shop.new_seller().await;
    let product = shop.product(&seller, &NewProduct::new("Tagged", 700, stock)).await;
    (format!("/products/{product}"), seller)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_changes_only_from_the_version_read() {
    let shop = Shop::open();
    let (path, seller) = &public_product(&shop, 5).await;
    let path = path.clone();
    let resource = Resource { shop: &shop, owner: seller, path, method: "PATCH", field: "title" };
    assert_preconditions_hold(&resource).await;

    // Anonymous callers and the responses to changes get the same tag of a public product.
    let tag = resource.tag().await;
    assert_eq!(etag(&shop.get(&resource.path).send().await), tag);
    let changed = resource.changed_if(&tag, "Fifth").await;
    assert_eq!(etag(&changed), resource.tag().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_products_status_changes_only_from_the_version_read() {
    let shop = Shop::open();
    let (path, seller) = public_product(&shop, 5).await;
    let set_status = |status: &str, if_match: &str| {
        let call = shop.put(format!("{path}/status"), &json!({ "status": status }));
        call.token(&seller.token).header("if-match", if_match)
    };
    let on_sale = etag(&shop.get(&path).send().await);
    set_status("SOLD_OUT", &on_sale).send().await.data(200);
    let sold_out = etag(&shop.get(&path).send().await);
    assert_ne!(sold_out, on_sale);
    set_status("SELL", &on_sale).send().await.problem(412, "precondition_failed");
    let malformed = set_status("SELL", "sell").send().await;
    assert_eq!(malformed.is_problem(400, "invalid", &["If-Match"]), Ok(()));
    // Neither the precondition nor the status allows this: the precondition comes first.
    set_status("REGISTERED", &on_sale).send().await.problem(412, "precondition_failed");
    set_status("REGISTERED", &sold_out).send().await.problem(409, "illegal_transition");
    set_status("SELL", &sold_out).send().await.data(200);
    assert_eq!(etag(&shop.get(&path).send().await), on_sale);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_does_not_change_a_products_tag() {
    let shop = Shop::open();
    let (path, seller) = public_product(&shop, 1).await;
    let tag = etag(&shop.get(&path).send().await);
    let adjustment = json!({ "quantity": -1, "reason": "broken" });
    let adjust = shop.post(format!("{path}/stock/adjustments"), &adjustment);
    let adjust = adjust.token(&seller.token).header("idempotency-key", unique("key"));
    adjust.send().await.data(200);
    eventually("the product to be out of stock", async || {
        let in_stock = shop.get(&path).send().await.data(200)["in_stock"].clone();
        if in_stock == false { Ok(()) } else { Err(in_stock.to_string()) }
    })
    .await;
    assert_eq!(etag(&shop.get(&path).send().await), tag);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_a_product_are_both_applied() {
    let shop = Shop::open();
    let (path, seller) = public_product(&shop, 5).await;
    let change = |body: Value| shop.patch(&path, &body).token(&seller.token).send();
    let (title, price) =
        tokio::join!(change(json!({ "title": "Renamed" })), change(json!({ "price": 701 })),);
    title.data(200);
    price.data(200);
    let product = shop.get(&path).send().await.data(200);
    assert_eq!((&product["title"], &product["price"]), (&json!("Renamed"), &json!(701)));
}
