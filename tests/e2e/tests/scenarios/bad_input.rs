//! Bad input on every route: it is rejected, the problem names the field, and nothing is changed.

use futures_util::future::join_all;
use rialto_e2e::{
    http::HttpRequest,
    shop::{DemoAccount, NewProduct, OrderDraft, Shop, account_body, unique},
    tables::TableSnapshot,
};
use rialto_lambda::access::{ROUTES, Route};
use serde_json::{Value, json};

/// The state before any bad request is sent.
struct BadInputFixture {
    shop: Shop,
    supervisor: DemoAccount,
    seller: DemoAccount,
    buyer: DemoAccount,
    product: String,
    order: String,
    /// Part of the text of everything that a bad request might create.
    mark: String,
}

/// A route's input, and what the route rejects.
#[derive(Default)]
struct Input {
    /// A valid body; `None` for routes without a body.
    body: Option<Value>,
    /// JSON pointers of the required fields, such as `/lines/0/quantity`.
    required: Vec<&'static str>,
    /// JSON pointer, invalid value there, and the field that the problem names.
    bad: Vec<(&'static str, Value, &'static str)>,
    /// Whether an `Idempotency-Key` is required.
    keyed: bool,
    /// Invalid queries with the parameter that the problem names.
    queries: Vec<(String, &'static str)>,
}

/// A bad request with the expected response.
struct Case {
    what: String,
    call: HttpRequest,
    status: u16,
    code: &'static str,
    fields: Vec<String>,
}

fn long(length: usize) -> Value {
    json!("x".repeat(length))
}

/// Invalid values of a text field with this maximum length: wrong types, too short, too long,
/// control characters, noncharacters.
fn bad_text(
    place: &'static str,
    field: &'static str,
    max: usize,
) -> Vec<(&'static str, Value, &'static str)> {
    [
        json!(7),
        json!(["a"]),
        json!(""),
        json!("  "),
        long(max + 1),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{7f}b"),
        json!("a\u{fffe}b"),
        json!("a\u{ffff}b"),
    ]
    .map(|value| (place, value, field))
    .into()
}

/// Invalid values of an integer from `min` to `max`.
fn bad_number(
    place: &'static str,
    field: &'static str,
    min: i64,
    max: i64,
) -> Vec<(&'static str, Value, &'static str)> {
    [
        json!(min - 1),
        json!(max + 1),
        json!(1.5),
        json!("1"),
        json!(true),
        json!(1e30),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(i64::MAX),
        Value::Null,
    ]
    .map(|value| (place, value, field))
    .into()
}

/// The same where null is a missing field.
fn bad_optional_number(
    place: &'static str,
    field: &'static str,
    min: i64,
    max: i64,
) -> Vec<(&'static str, Value, &'static str)> {
    let mut bad = bad_number(place, field, min, max);
    bad.retain(|(_, value, _)| !value.is_null());
    bad
}

/// Queries that are invalid for every list, and those of one list.
fn list(own: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    let common = [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=%00%ff", "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cursor"),
        ("bogus=1", "bogus"),
        ("Limit=1", "Limit"),
    ];
    common.iter().chain(own).map(|(query, field)| ((*query).to_owned(), *field)).collect()
}

fn account_registration() -> Input {
    let email = |value: Value| ("/email", value, "email");
    let phone = |value: Value| ("/phone", value, "phone");
    Input {
        body: Some(account_body("bad")),
        required: vec!["/email", "/password", "/name", "/phone"],
        bad: [
            bad_text("/name", "name", 80),
            bad_text("/password", "password", 128),
            vec![("/password", long(9), "password")],
            [
                json!(7),
                json!(""),
                json!("nobody"),
                json!("a@b"),
                json!("a b@c.example"),
                json!("a@b@c.example"),
            ]
            .map(email)
            .into(),
            [
                json!(null),
                json!("@c.example"),
                json!("a@.example"),
                json!(format!("{}@c.example", "x".repeat(250))),
            ]
            .map(email)
            .into(),
            [
                json!(15_550_199),
                json!(""),
                json!("1234"),
                json!("1234567890123456"),
                json!("+0155501999"),
            ]
            .map(phone)
            .into(),
            [json!("12345x7"), json!("++15550199"), json!(null)].map(phone).into(),
        ]
        .concat(),
        ..Input::default()
    }
}

fn order(fixture: &BadInputFixture) -> Input {
    let lines = |value: Value| ("/lines", value, "lines");
    let line = json!({ "product_id": fixture.product, "quantity": 1 });
    let product = |value: Value| ("/lines/0/product_id", value, "lines[0].product_id");
    let method = |value: Value| ("/payment_method", value, "payment_method");
    let phone = |value: Value| ("/address/phone", value, "address.phone");
    let drop_off = |value: Value| ("/address/drop_off", value, "address.drop_off");
    let bad = [
        [json!([]), json!(vec![line.clone(); 21]), json!("none"), json!({}), json!(null)]
            .map(lines)
            .into(),
        vec![("/lines", json!([line, 7]), "lines[1]")],
        [json!("prd_1"), json!("nonsense"), json!(""), json!(fixture.seller.id), json!(5)]
            .map(product)
            .into(),
        vec![product(json!(fixture.product.to_uppercase()))],
        bad_number("/lines/0/quantity", "lines[0].quantity", 1, 999),
        [
            json!(""),
            json!("visa"),
            json!("pm_"),
            json!("pm_a b"),
            json!(format!("pm_{}", "x".repeat(62))),
            json!(1),
        ]
        .map(method)
        .into(),
        bad_text("/address/receiver", "address.receiver", 80),
        bad_text("/address/line1", "address.line1", 120),
        bad_text("/address/line2", "address.line2", 120),
        bad_text("/address/zipcode", "address.zipcode", 12),
        bad_text("/address/note", "address.note", 200),
        [json!(""), json!("1234"), json!("1234567890123456"), json!("12345x"), json!(12345)]
            .map(phone)
            .into(),
        [json!(""), json!("ROOF"), json!("door"), json!(1)].map(drop_off).into(),
        vec![("/address", json!("7 Nowhere Lane"), "address")],
        bad_optional_number("/expected_total", "expected_total", 0, 1_000_000_000_000),
    ]
    .concat();
    Input {
        body: Some(OrderDraft::of(&[(&fixture.product, 1)]).body()),
        required: vec![
            "/lines",
            "/lines/0/product_id",
            "/lines/0/quantity",
            "/address",
            "/address/receiver",
            "/address/line1",
            "/address/zipcode",
            "/address/phone",
            "/address/drop_off",
            "/payment_method",
        ],
        bad,
        keyed: true,
        ..Input::default()
    }
}

fn saved_address() -> Input {
    let mut body = rialto_e2e::shop::address();
    body["default"] = json!(true);
    let mut bad = [
        bad_text("/receiver", "receiver", 80),
        bad_text("/line1", "line1", 120),
        bad_text("/line2", "line2", 120),
        bad_text("/zipcode", "zipcode", 12),
        bad_text("/note", "note", 200),
    ]
    .concat();
    for phone in
        [json!(""), json!("1234"), json!("1234567890123456"), json!("12345x"), json!(12345)]
    {
        bad.push(("/phone", phone, "phone"));
    }
    for place in [json!(""), json!("ROOF"), json!("door"), json!(1)] {
        bad.push(("/drop_off", place, "drop_off"));
    }
    for default in [json!("yes"), json!(1), json!(null)] {
        bad.push(("/default", default, "default"));
    }
    let required = vec!["/receiver", "/line1", "/zipcode", "/phone", "/drop_off"];
    Input { body: Some(body), required, bad, ..Input::default() }
}

fn details() -> Vec<(&'static str, Value, &'static str)> {
    let images = |value: Value| ("/images", value, "images");
    let image =
        |value: &str| ("/images", json!(["https://shop.example/a.png", value]), "images[1]");
    let mut bad = [
        bad_text("/title", "title", 200),
        bad_number("/price", "price", 1, 1_000_000_000_000),
        vec![
            ("/description", long(5001), "description"),
            ("/description", json!("a\u{0}b"), "description"),
            ("/description", json!("a\u{ffff}b"), "description"),
        ],
        vec![("/description", json!(5), "description")],
        [json!("https://shop.example/a.png"), json!(vec!["https://shop.example/a.png"; 11])]
            .map(images)
            .into(),
        ["http://shop.example/a.png", "https://", "nonsense", "https://user@shop.example/", ""]
            .map(image)
            .into(),
        vec![image(&format!("https://shop.example/{}", "x".repeat(500)))],
    ]
    .concat();
    bad.push(("/images", json!([5]), "images[0]"));
    bad
}

/// The invalid input of each route. A route without an entry fails the test.
async fn input(fixture: &BadInputFixture, function: &str) -> Option<Input> {
    let none = Input::default();
    Some(match function {
        "accounts-register-user" | "accounts-register-seller" => account_registration(),
        "accounts-log-in" => Input {
            body: Some(json!({ "email": fixture.buyer.email, "password": fixture.buyer.password })),
            required: vec!["/email", "/password"],
            bad: vec![
                ("/email", json!("nobody"), "email"),
                ("/email", json!(""), "email"),
                ("/email", json!(7), "email"),
                ("/password", json!(""), "password"),
                ("/password", json!(7), "password"),
                ("/password", json!(null), "password"),
                ("/password", long(129), "password"),
            ],
            ..none
        },
        "accounts-refresh" => Input {
            body: Some(json!({ "refresh_token": "never used" })),
            required: vec!["/refresh_token"],
            bad: [json!(""), json!(7), json!(["a"]), long(2_001)]
                .map(|value| ("/refresh_token", value, "refresh_token"))
                .into(),
            ..none
        },
        "accounts-request-reset" => Input {
            body: Some(json!({ "email": "nobody@e2e.example" })),
            required: vec!["/email"],
            bad: [json!("nobody"), json!(""), json!(7), json!(null)]
                .map(|value| ("/email", value, "email"))
                .into(),
            ..none
        },
        "accounts-reset-password" => Input {
            body: Some(json!({ "email": "nobody@e2e.example", "code": "WRONG", "password": fixture.mark })),
            required: vec!["/email", "/code", "/password"],
            bad: [
                vec![
                    ("/email", json!("nobody"), "email"),
                    ("/email", json!(7), "email"),
                    ("/code", json!(""), "code"),
                    ("/code", json!("--"), "code"),
                    ("/code", json!(7), "code"),
                    ("/code", long(65), "code"),
                    ("/password", long(9), "password"),
                ],
                bad_text("/password", "password", 128),
            ]
            .concat(),
            ..none
        },
        "accounts-change-password" => Input {
            body: Some(json!({ "old_password": fixture.buyer.password, "new_password": fixture.mark })),
            required: vec!["/old_password", "/new_password"],
            bad: [
                vec![
                    ("/old_password", json!(""), "old_password"),
                    ("/old_password", json!(7), "old_password"),
                    ("/old_password", long(129), "old_password"),
                ],
                bad_text("/new_password", "new_password", 128),
                vec![("/new_password", long(9), "new_password")],
            ]
            .concat(),
            ..none
        },
        "accounts-list-sessions" | "accounts-list-addresses" | "accounts-list-sellers" => {
            Input { queries: list(&[]), ..none }
        }
        "accounts-list-users" => Input {
            queries: list(&[
                ("email=nobody", "email"),
                ("email=", "email"),
                ("name=", "name"),
                ("name=%20", "name"),
                ("name=a%00b", "name"),
                ("name=a%EF%BF%BEb", "name"),
                ("name=a&name=b", "name"),
            ]),
            ..none
        },
        "accounts-get-user" => Input {
            queries: [
                ("include=", "include"),
                ("include=payments", "include"),
                ("include=orders&include=orders", "include"),
                ("limit=1", "limit"),
                ("bogus=1", "bogus"),
            ]
            .map(|(query, field)| (query.to_owned(), field))
            .into(),
            ..none
        },
        "accounts-change-user" | "accounts-change-seller" => {
            let mut bad = bad_text("/name", "name", 80);
            for phone in [json!(7), json!(""), json!("1234"), json!("1234567890123456"), json!("12345x7")] {
                bad.push(("/phone", phone, "phone"));
            }
            for notify in [json!("yes"), json!(1)] {
                bad.push(("/mail_notifications", notify, "mail_notifications"));
            }
            bad.push(("", json!({}), "body"));
            bad.push(("", json!({ "name": null }), "body"));
            let body = json!({ "name": fixture.mark, "phone": "+4915550100", "mail_notifications": true });
            Input { body: Some(body), bad, ..none }
        }
        "accounts-set-profile" => {
            let mut bad = bad_text("/nickname", "nickname", 40);
            for image in [json!(7), json!(""), json!("http://img.example/a.png"), json!("https://"), long(501)] {
                bad.push(("/image", image, "image"));
            }
            for grade in [json!("gold"), json!(""), json!("PLATINUM"), json!(1)] {
                bad.push(("/grade", grade, "grade"));
            }
            let body = json!({ "nickname": fixture.mark.get(..30), "image": "https://img.example/a.png", "grade": "BRONZE" });
            Input { body: Some(body), required: vec!["/nickname"], bad, ..none }
        }
        "accounts-add-address" | "accounts-set-address" => saved_address(),
        "accounts-log-out" | "accounts-end-session" | "accounts-get-jwks" | "accounts-unregister-user"
        | "accounts-get-public-user" | "accounts-get-profile" | "accounts-remove-address"
        | "accounts-get-seller" | "accounts-unregister-seller" => none,
        "catalog-register-product" => {
            let new_product = NewProduct::new(&fixture.mark, 100, 1);
            let item = |value: Value| ("/item_id", value, "item_id");
            let nothing = rialto_kernel::ItemId::derive(&[b"no such item"]).to_string();
            Input {
                body: Some(fixture.shop.product_body(&new_product).await),
                required: vec!["/item_id", "/title", "/price", "/initial_stock"],
                bad: [
                    details(),
                    [json!("itm_1"), json!(""), json!(fixture.product), json!(5), json!(nothing)]
                        .map(item)
                        .into(),
                    bad_number("/initial_stock", "initial_stock", 0, 1_000_000),
                    vec![
                        ("/flash_sale", json!("yes"), "flash_sale"),
                        ("/flash_sale", json!(1), "flash_sale"),
                    ],
                    vec![("/seller_id", json!(fixture.seller.id), "seller_id")],
                ]
                .concat(),
                ..none
            }
        }
        "catalog-change-product" => {
            let mut bad = details();
            // Null is the same as a missing field here.
            bad.retain(|(_, value, _)| !value.is_null());
            bad.push(("", json!({}), "body"));
            bad.push(("", json!({ "title": null }), "body"));
            Input { body: Some(json!({ "title": fixture.mark, "price": 1, "images": [] })), bad, ..none }
        }
        "catalog-set-product-status" => Input {
            body: Some(json!({ "status": "SOLD_OUT" })),
            required: vec!["/status"],
            bad: ["sell", "", "GONE", " SELL"]
                .map(|word| ("/status", json!(word), "status"))
                .into_iter()
                .chain([("/status", json!(1), "status"), ("/status", json!(null), "status")])
                .collect(),
            ..none
        },
        "inventory-adjust-stock" => {
            let mut bad = bad_number("/quantity", "quantity", -10_000_000, 10_000_000);
            bad.push(("/quantity", json!(0), "quantity"));
            bad.extend(bad_text("/reason", "reason", 200));
            let body = Some(json!({ "quantity": 1, "reason": fixture.mark }));
            Input { body, required: vec!["/quantity", "/reason"], bad, keyed: true, ..none }
        }
        "payments-list-payments" => Input {
            queries: list(&[("state=pending", "state"), ("state=", "state"), ("state=PAID", "state")]),
            ..none
        },
        "payments-refund-order" => {
            let mut bad = bad_number("/amount", "amount", 1, 1_000_000_000_000);
            bad.extend(bad_text("/reason", "reason", 200));
            let body = Some(json!({ "amount": 1, "reason": fixture.mark }));
            Input { body, required: vec!["/amount", "/reason"], bad, keyed: true, ..none }
        }
        "payments-pay-again" => Input {
            body: Some(json!({ "payment_method": "pm_card_visa" })),
            required: vec!["/payment_method"],
            bad: [json!(""), json!("pm_"), json!("card"), json!("pm_a b"), json!(1)]
                .map(|method| ("/payment_method", method, "payment_method"))
                .into(),
            keyed: true,
            ..none
        },
        "orders-place-order" => order(fixture),
        "orders-split-line" => Input {
            body: Some(json!({ "quantity": 1 })),
            required: vec!["/quantity"],
            bad: bad_number("/quantity", "quantity", 1, 999),
            keyed: true,
            ..none
        },
        "orders-cancel-line" => Input {
            body: Some(json!({ "quantity": 1 })),
            bad: bad_optional_number("/quantity", "quantity", 1, 999),
            keyed: true,
            ..none
        },
        "orders-return-line" => {
            let mut bad = bad_optional_number("/quantity", "quantity", 1, 999);
            bad.extend(bad_text("/reason", "reason", 200));
            let body = Some(json!({ "quantity": 1, "reason": fixture.mark }));
            Input { body, required: vec!["/reason"], bad, keyed: true, ..none }
        }
        "orders-confirm-return" => {
            let mut bad = bad_optional_number("/refund", "refund", 0, 1_000_000_000_000);
            bad.extend([json!("yes"), json!(1)].map(|value| ("/restock", value, "restock")));
            Input { body: Some(json!({ "refund": 0, "restock": false })), bad, ..none }
        }
        "orders-decline-return" => {
            let bad = bad_text("/reason", "reason", 200);
            let body = Some(json!({ "reason": fixture.mark }));
            Input { body, required: vec!["/reason"], bad, ..none }
        }
        "delivery-set-status" => delivery_status(),
        "delivery-add-parcel" => parcel(),
        "delivery-set-parcel-status" => Input {
            body: Some(json!({ "status": "DELIVERED" })),
            required: vec!["/status"],
            bad: [json!("DELIVERING"), json!("delivered"), json!(""), json!(1), json!(null)]
                .map(|value| ("/status", value, "status"))
                .into(),
            ..none
        },
        "catalog-list-products" => Input {
            queries: list(&[
                ("category_id=cat_1", "category_id"),
                ("brand_id=nonsense", "brand_id"),
                ("seller_id=", "seller_id"),
                ("price_min=-1", "price_min"),
                ("price_min=x", "price_min"),
                ("price_max=1000000000001", "price_max"),
                ("price_max=1.5", "price_max"),
                ("price_min=2&price_max=1", "price_max"),
                ("q=", "q"),
                ("q=a%00b", "q"),
                ("q=a%EF%BF%BFb", "q"),
                ("sort=best", "sort"),
                ("sort=", "sort"),
                ("q=a&q=b", "q"),
            ]),
            ..none
        },
        "orders-list-user-orders" => Input {
            queries: list(&[("state=pending", "state"), ("state=", "state"), ("state=SHIPPED", "state")]),
            ..none
        },
        "orders-list-seller-orders" => Input {
            queries: list(&[
                ("state=ordered", "state"),
                ("state=", "state"),
                ("state=OTHER", "state"),
                ("state=PENDING", "state"),
            ]),
            ..none
        },
        "orders-list-orders" => Input {
            queries: list(&[
                ("state=pending", "state"),
                ("state=", "state"),
                ("number=", "number"),
                ("number=261126", "number"),
                ("number=261126-7K3F9Q2O", "number"),
            ]),
            ..none
        },
        "catalog-list-seller-products"
        | "inventory-list-movements"
        | "delivery-list-user-deliveries"
        | "delivery-list-seller-deliveries" => Input { queries: list(&[]), ..none },
        "catalog-get-product"
        | "delivery-confirm-receipt"
        | "delivery-get-delivery"
        | "delivery-get-parcel"
        | "inventory-get-stock"
        | "orders-get-order"
        | "orders-cancel-order"
        | "orders-accept-line"
        | "orders-reject-line"
        | "orders-confirm-cancel"
        | "orders-get-timeline"
        | "payments-get-payment"
        // Unsigned bodies aren't parsed; see webhooks.rs.
        | "payments-receive-webhook"
        | "platform-get-health"
        | "platform-get-openapi"
        | "platform-get-docs"
        | "platform-get-event-docs" => none,
        _ => return None,
    })
}

fn delivery_status() -> Input {
    let status = |value: Value| ("/status", value, "status");
    Input {
        body: Some(json!({ "status": "DELIVERING", "carrier": "DHL", "tracking_number": "1" })),
        required: vec!["/status", "/carrier", "/tracking_number"],
        bad: [
            [json!("CONFIRMED"), json!("delivering"), json!(""), json!(1), json!(null)]
                .map(status)
                .into(),
            bad_text("/carrier", "carrier", 50),
            bad_text("/tracking_number", "tracking_number", 100),
        ]
        .concat(),
        ..Input::default()
    }
}

fn parcel() -> Input {
    let id = |number: u8| rialto_kernel::DeliveryId::derive(&[&[number]]).to_string();
    let many: Vec<String> = (0..21).map(id).collect();
    let ids = |value: Value, field: &'static str| ("/delivery_ids", value, field);
    let body = json!({ "delivery_ids": [id(0)], "carrier": "DHL", "tracking_number": "1" });
    Input {
        body: Some(body),
        required: vec!["/delivery_ids", "/carrier", "/tracking_number"],
        bad: [
            vec![
                ids(json!([]), "delivery_ids"),
                ids(json!(many), "delivery_ids"),
                ids(json!(id(0)), "delivery_ids"),
                ids(json!([id(0), "dlv_1"]), "delivery_ids[1]"),
                ids(json!([id(0), id(1), id(0)]), "delivery_ids[2]"),
                ids(json!([7]), "delivery_ids[0]"),
            ],
            bad_text("/carrier", "carrier", 50),
            bad_text("/tracking_number", "tracking_number", 100),
        ]
        .concat(),
        keyed: true,
        ..Input::default()
    }
}

/// A JSON pointer in the notation of problems: `/lines/0/quantity` becomes `lines[0].quantity`.
fn field(place: &str) -> String {
    let mut field = String::new();
    for part in place.trim_start_matches('/').split('/') {
        match part.parse::<usize>() {
            Ok(index) => field.push_str(&format!("[{index}]")),
            Err(_) if field.is_empty() => field.push_str(part),
            Err(_) => field.push_str(&format!(".{part}")),
        }
    }
    field
}

/// The body with a value set, or removed if `None`.
fn with(body: &Value, place: &str, value: Option<Value>) -> Value {
    let mut body = body.clone();
    let (above, name) = place.rsplit_once('/').unwrap_or(("", ""));
    if name.is_empty() {
        return value.unwrap_or_default();
    }
    let above = body.pointer_mut(above).unwrap_or_else(|| panic!("{place} isn't in the body"));
    match (above, value) {
        (Value::Object(above), Some(value)) => drop(above.insert(name.to_owned(), value)),
        (Value::Object(above), None) => {
            assert!(above.remove(name).is_some(), "{place} isn't in the body")
        }
        (above, _) => panic!("{above} has no fields"),
    }
    body
}

/// JSON pointers of all objects in a body.
fn objects(place: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let below =
                members.iter().flat_map(|(name, value)| objects(&format!("{place}/{name}"), value));
            std::iter::once(place.to_owned()).chain(below).collect()
        }
        Value::Array(items) => {
            let below = items.iter().enumerate();
            below.flat_map(|(at, value)| objects(&format!("{place}/{at}"), value)).collect()
        }
        _ => Vec::new(),
    }
}

impl BadInputFixture {
    fn path(&self, route: &Route) -> String {
        let path =
            route.path.replace("{user_id}", &self.buyer.id).replace("{seller_id}", &self.seller.id);
        let path = path.replace("{product_id}", &self.product).replace("{order_id}", &self.order);
        let path = path.replace("{address_id}", "adr_01kaka00000000000000000001");
        let path = path.replace("{line_no}", "1");
        let path = path.replace("{delivery_id}", "dlv_01kaka00000000000000000001");
        path.replace("{parcel_id}", "pcl_01kaka00000000000000000001")
    }

    /// A call by an account that may call the route.
    fn call(&self, route: &Route, path: impl Into<String>) -> HttpRequest {
        let call = self.shop.http.request(route.method, path);
        match route.function {
            "accounts-register-user"
            | "accounts-log-in"
            | "accounts-refresh"
            | "accounts-request-reset"
            | "accounts-reset-password" => call,
            "accounts-change-password" => call.token(&self.buyer.token),
            "accounts-register-seller" => call.token(&self.supervisor.token),
            "catalog-register-product" => call.token(&self.seller.token),
            _ if route.path.contains("{user_id}") => call.token(&self.buyer.token),
            _ => call.token(&self.supervisor.token),
        }
    }

    fn cases(&self, route: &Route, input: &Input) -> Vec<Case> {
        let mut cases = self.ids(route);
        cases.extend(input.queries.iter().map(|(query, field)| Case {
            what: format!("the query {query}"),
            call: self.call(route, format!("{}?{query}", self.path(route))),
            status: 400,
            code: "invalid",
            fields: vec![(*field).to_owned()],
        }));
        if let Some(body) = &input.body {
            cases.extend(self.bodies(route, input, body));
        }
        if let (true, Some(body)) = (input.keyed, &input.body) {
            cases.extend(self.keys(route, body));
        }
        cases
    }

    /// Calls with malformed ids and line numbers, which aren't found.
    fn ids(&self, route: &Route) -> Vec<Case> {
        let mut cases = Vec::new();
        for name in [
            "{user_id}",
            "{seller_id}",
            "{product_id}",
            "{order_id}",
            "{session_id}",
            "{address_id}",
            "{delivery_id}",
            "{parcel_id}",
        ] {
            if !route.path.contains(name) {
                continue;
            }
            let prefix = match name {
                "{user_id}" => "usr",
                "{seller_id}" => "sel",
                "{product_id}" => "prd",
                "{session_id}" => "ses",
                "{address_id}" => "adr",
                "{delivery_id}" => "dlv",
                "{parcel_id}" => "pcl",
                _ => "ord",
            };
            let canonical = format!("{prefix}_01kaka00000000000000000001");
            for id in [
                "nonsense".to_owned(),
                "%20".to_owned(),
                "..%2f..".to_owned(),
                prefix.to_owned(),
                format!("{prefix}_"),
                format!("{canonical}1"),
                canonical.replace(prefix, "xyz"),
                canonical.to_uppercase(),
                canonical.replace('k', "u"),
            ] {
                let path = route.path.replace(name, &id).replace("{line_no}", "1");
                cases.push(self.not_found(route, path, format!("the id {id}")));
            }
        }
        if route.path.contains("{line_no}") {
            let path = route.path.replace("{order_id}", &self.order);
            for line in ["nonsense", "%20", "-1", "0", "2", "1.5", "4294967296"] {
                let path = path.replace("{line_no}", line);
                cases.push(self.not_found(route, path, format!("the line {line}")));
            }
        }
        cases
    }

    /// A call with a valid body, whose path names nothing.
    fn not_found(&self, route: &Route, path: String, what: String) -> Case {
        let call = self.shop.http.request(route.method, path).token(&self.supervisor.token);
        let call = match self.good_body(route) {
            Some(body) => call.json(&body).header("idempotency-key", self.mark.clone()),
            None => call,
        };
        Case { what, call, status: 404, code: "not_found", fields: Vec::new() }
    }

    /// A valid body, for requests with an invalid path only.
    fn good_body(&self, route: &Route) -> Option<Value> {
        match route.function {
            "accounts-change-user" | "accounts-change-seller" => Some(json!({ "name": self.mark })),
            "accounts-set-profile" => Some(json!({ "nickname": "nobody" })),
            "accounts-add-address" | "accounts-set-address" => Some(rialto_e2e::shop::address()),
            "catalog-change-product" => Some(json!({ "price": 1 })),
            "catalog-set-product-status" => Some(json!({ "status": "SOLD_OUT" })),
            "inventory-adjust-stock" => Some(json!({ "quantity": 1, "reason": self.mark })),
            "delivery-set-status" | "delivery-set-parcel-status" => {
                Some(json!({ "status": "DELIVERED" }))
            }
            "delivery-add-parcel" => parcel().body,
            "payments-refund-order" => Some(json!({ "amount": 1, "reason": self.mark })),
            "payments-pay-again" => Some(json!({ "payment_method": "pm_card_visa" })),
            "orders-place-order" => Some(OrderDraft::of(&[(&self.product, 1)]).body()),
            "orders-split-line" => Some(json!({ "quantity": 1 })),
            "orders-return-line" | "orders-decline-return" => Some(json!({ "reason": self.mark })),
            _ => None,
        }
    }

    fn bodies(&self, route: &Route, input: &Input, good: &Value) -> Vec<Case> {
        let call = || {
            let call = self.call(route, self.path(route));
            if input.keyed { call.header("idempotency-key", unique("bad")) } else { call }
        };
        let invalid = |what: String, call: HttpRequest, field: &str| Case {
            what,
            call,
            status: 400,
            code: "invalid",
            fields: vec![field.to_owned()],
        };
        let json = "application/json";
        let mut cases = vec![
            invalid("no body".to_owned(), call().header("content-type", json), "body"),
            invalid("an empty body".to_owned(), call().body(json, ""), "body"),
            invalid(
                "half a body".to_owned(),
                call().body(json, &good.to_string()[..good.to_string().len() / 2]),
                "body",
            ),
            invalid("no JSON".to_owned(), call().body(json, "a=1&b=2"), "body"),
            invalid("two values".to_owned(), call().body(json, format!("{good} {good}")), "body"),
            invalid("no UTF-8".to_owned(), call().body(json, b"\xff\xfe{}".to_vec()), "body"),
            invalid("an array".to_owned(), call().json(&json!([])), "body"),
            invalid("a string".to_owned(), call().json(&json!("text")), "body"),
            invalid("null".to_owned(), call().json(&Value::Null), "body"),
        ];
        for media_type in
            ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json", ""]
        {
            let what = format!("the media type {media_type:?}");
            let call = call().body(media_type, good.to_string());
            cases.push(Case {
                what,
                call,
                status: 415,
                code: "unsupported_media_type",
                fields: Vec::new(),
            });
        }
        let padded = format!("{good}{}", " ".repeat(64 * 1024 + 1 - good.to_string().len()));
        let what = "64 KiB and a byte".to_owned();
        cases.push(Case {
            what,
            call: call().body(json, padded),
            status: 413,
            code: "too_large",
            fields: vec![],
        });
        for place in objects("", good) {
            let place = format!("{place}/bogus");
            let body = with(good, &place, Some(json!(1)));
            cases.push(invalid(
                format!("the unknown field {place}"),
                call().json(&body),
                &field(&place),
            ));
        }
        for place in &input.required {
            let body = with(good, place, None);
            cases.push(invalid(format!("no {place}"), call().json(&body), &field(place)));
        }
        for (place, value, field) in &input.bad {
            let body = with(good, place, Some(value.clone()));
            let shown: String = value.to_string().chars().take(60).collect();
            cases.push(invalid(format!("{place} = {shown}"), call().json(&body), field));
        }
        let name = good.as_object().unwrap().keys().next().unwrap();
        let twice = format!("{{\"{name}\":{},{}", good[name], &good.to_string()[1..]);
        cases.push(invalid(format!("{name} twice"), call().body(json, twice), name));
        cases
    }

    fn keys(&self, route: &Route, body: &Value) -> Vec<Case> {
        let call = || self.call(route, self.path(route)).json(body);
        let mut cases =
            vec![("no key", call()), ("an empty key", call().header("idempotency-key", ""))];
        for (what, key) in
            [("a key of 256", "k".repeat(256)), ("a key with a space", "a b".to_owned())]
        {
            cases.push((what, call().header("idempotency-key", key)));
        }
        let case = |(what, call): (&str, HttpRequest)| Case {
            what: what.to_owned(),
            call,
            status: 400,
            code: "invalid",
            fields: vec!["Idempotency-Key".to_owned()],
        };
        cases.into_iter().map(case).collect()
    }

    /// All items that a bad request might change.
    async fn snapshot(&self) -> TableSnapshot {
        let mut partitions = Vec::new();
        for service in ["catalog", "inventory", "orders"] {
            partitions.push((service, format!("PRODUCT#{}", self.product)));
        }
        for service in ["inventory", "orders", "payments"] {
            partitions.push((service, format!("ORDER#{}", self.order)));
        }
        for account in [&self.buyer, &self.seller] {
            partitions.push(("accounts", format!("ACCOUNT#{}", account.id)));
            partitions.push(("accounts", format!("EMAIL#{}", account.email)));
        }
        TableSnapshot::take(&self.shop.aws, &partitions).await
    }

    /// The numbers of orders, products and movements, which a bad request might create.
    async fn counts(&self) -> [usize; 3] {
        let orders = format!("/users/{}/orders?limit=100", self.buyer.id);
        let products = format!("/sellers/{}/products?limit=100", self.seller.id);
        let movements = format!("/products/{}/stock/movements?limit=100", self.product);
        [
            self.shop.pages(Some(&self.buyer), &orders).await.concat().len(),
            self.shop.pages(Some(&self.seller), &products).await.concat().len(),
            self.shop.pages(Some(&self.seller), &movements).await.concat().len(),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_rejects_bad_input_without_side_effects() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Unchanged", 100, 5)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)])).await;
    shop.wait_until_settled(&buyer, &order).await;
    rialto_e2e::invariants::SagaTables::wait_until_consistent(
        &shop.aws,
        &[&product],
        std::slice::from_ref(&order),
    )
    .await;
    let supervisor = shop.supervisor().await;
    let mark = unique("bad");
    let fixture = BadInputFixture { shop, supervisor, seller, buyer, product, order, mark };
    let (before, counted) = (fixture.snapshot().await, fixture.counts().await);

    let mut wrong = Vec::new();
    let mut sent = 0;
    let mut emails = Vec::new();
    for route in ROUTES {
        let Some(input) = input(&fixture, route.function).await else {
            wrong.push(format!("{}: add its invalid input to `input`", route.function));
            continue;
        };
        if route.function.starts_with("accounts-register") {
            emails.extend(input.body.iter().map(|body| body["email"].as_str().unwrap().to_owned()));
        }
        let cases = fixture.cases(route, &input);
        sent += cases.len();
        let responses = join_all(cases.into_iter().map(|case| async move {
            let fields: Vec<&str> = case.fields.iter().map(String::as_str).collect();
            let problem = case.call.send().await.is_problem(case.status, case.code, &fields);
            problem.err().map(|problem| format!("{}: {}: {problem}", route.function, case.what))
        }));
        wrong.extend(responses.await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{} of {sent} bad requests:\n{}", wrong.len(), wrong.join("\n"));
    assert!(sent > 500, "only {sent} bad requests were sent");

    assert_eq!(fixture.snapshot().await.differences(&before), Vec::<String>::new());
    assert_eq!(fixture.counts().await, counted);
    for email in emails {
        let credential = vec![("accounts", format!("EMAIL#{email}"))];
        assert!(
            TableSnapshot::take(&fixture.shop.aws, &credential).await.is_empty(),
            "an account was created"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_invalid_fields_are_reported_in_one_response() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let mut body =
        OrderDraft::of(&[("nonsense", 0), ("prd_01kaka00000000000000000001", 1000)]).body();
    body["address"]["phone"] = json!("x");
    body["payment_method"] = json!("cash");
    let call = shop.post(format!("/users/{}/orders", buyer.id), &body).token(&buyer.token);
    let response = call.header("idempotency-key", "many").send().await;
    let fields = [
        "lines[0].product_id",
        "lines[0].quantity",
        "lines[1].quantity",
        "address.phone",
        "payment_method",
    ];
    assert_eq!(response.is_problem(400, "invalid", &fields), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_above_the_maximum_total_are_rejected() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Expensive", 1_000_000_000_000, 10)).await;
    let response = shop.place_request(&buyer, &OrderDraft::of(&[(&product, 2)])).send().await;
    assert_eq!(response.is_problem(400, "invalid", &["lines"]), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_must_name_the_seller_of_a_product() {
    let shop = Shop::open();
    let supervisor = shop.supervisor().await;
    let mut body = shop.product_body(&NewProduct::new("Whose", 1, 1)).await;
    let register =
        async |body: &Value| shop.post("/products", body).token(&supervisor.token).send().await;
    assert_eq!(register(&body).await.is_problem(400, "invalid", &["seller_id"]), Ok(()));
    for unknown in ["nonsense", "sel_01kaka00000000000000000001"] {
        body["seller_id"] = json!(unknown);
        assert_eq!(register(&body).await.is_problem(400, "invalid", &["seller_id"]), Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_normalized_and_trimmed() {
    let shop = Shop::open();
    let seller = shop.new_seller().await;
    // Text is normalized to NFC, and leading and trailing white space is removed.
    let new_product = NewProduct::new("  Cafe\u{301} \u{1f980} <script>&amp;  ", 1, 0);
    let product = shop.register(&seller, &new_product).await;
    let listed = shop
        .pages(Some(&seller), &format!("/sellers/{}/products?limit=1", seller.id))
        .await
        .concat();
    assert_eq!(
        (&listed[0]["product_id"], &listed[0]["title"]),
        (&json!(product), &json!("Caf\u{e9} \u{1f980} <script>&amp;"))
    );
}
