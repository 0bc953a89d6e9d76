//! Access control: the whole access table, tested against the deployed gateway and functions.

use futures_util::future::join_all;
use rialto_e2e::{
    forged_tokens::{Key, altered, claims},
    http::HttpRequest,
    local::{Local, gateway_authorizes, skip_on_localstack},
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
};
use rialto_kernel::{AddressId, DeliveryId, OrderId, ParcelId, ProductId, Role, SessionId};
use rialto_lambda::{
    access::{self, Access, ROUTES, Route},
    token::Claims,
};
use serde_json::json;

/// Accounts of all roles, with a product and an order.
struct AccessFixture {
    shop: Shop,
    supervisor: DemoAccount,
    seller: DemoAccount,
    buyer: DemoAccount,
    other_seller: DemoAccount,
    other_buyer: DemoAccount,
    product: String,
    order: String,
}

async fn fixture() -> AccessFixture {
    let shop = Shop::open();
    let (seller, other_seller) = (shop.new_seller().await, shop.new_seller().await);
    let (buyer, other_buyer) = (shop.new_buyer().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Access test", 100, 10)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)])).await;
    shop.wait_until_settled(&buyer, &order).await;
    let supervisor = shop.supervisor().await;
    AccessFixture { shop, supervisor, seller, buyer, other_seller, other_buyer, product, order }
}

impl AccessFixture {
    /// The route's path with the ids of the buyer, seller, product and order.
    fn path(&self, route: &Route) -> String {
        let path =
            route.path.replace("{user_id}", &self.buyer.id).replace("{seller_id}", &self.seller.id);
        let path = path.replace("{product_id}", &self.product).replace("{order_id}", &self.order);
        let path =
            path.replace("{session_id}", &SessionId::derive(&[b"no such session"]).to_string());
        let path =
            path.replace("{address_id}", &AddressId::derive(&[b"no such address"]).to_string());
        let path =
            path.replace("{delivery_id}", &DeliveryId::derive(&[b"no such delivery"]).to_string());
        let path = path.replace("{line_no}", "1");
        path.replace("{parcel_id}", &ParcelId::derive(&[b"no such parcel"]).to_string())
    }

    /// A call of the route that is only invalid because of its body.
    fn call(&self, route: &Route) -> HttpRequest {
        let call = self.shop.http.request(route.method, self.path(route));
        if route.method == "GET" {
            call
        } else {
            call.json(&json!({})).header("idempotency-key", "access")
        }
    }

    fn by(&self, role: Role) -> &DemoAccount {
        match role {
            Role::User => &self.other_buyer,
            Role::Seller => &self.other_seller,
            Role::Supervisor => &self.supervisor,
        }
    }
}

fn protected() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.who.requires_token())
}

/// Sends all calls, and asserts that each response is this problem.
async fn assert_all_refused(calls: Vec<(String, HttpRequest)>, status: u16, code: &str) {
    assert!(!calls.is_empty());
    eprintln!("{} calls, each with response {status} {code}", calls.len());
    let responses =
        join_all(calls.into_iter().map(|(what, call)| async { (what, call.send().await) })).await;
    let wrong: Vec<_> = responses
        .iter()
        .filter_map(|(what, response)| Some((what, response.is_problem(status, code, &[]).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_reject_missing_and_invalid_tokens() {
    let fixture = fixture().await;
    let good = &fixture.supervisor.token;
    let login = &Local::read().accounts.supervisor;
    let login = json!({ "email": login.email, "password": login.password });
    let tokens = fixture.shop.post("/auth/login", &login).send().await.data(200);
    let refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
    let mut bad = bad_tokens(good);
    bad.push(("a refresh token", refresh_token));
    let mut calls = Vec::new();
    for route in protected() {
        calls.push((format!("{} without a token", route.function), fixture.call(route)));
        for (what, token) in &bad {
            let call = fixture.call(route).token(token);
            calls.push((format!("{} with {what}", route.function), call));
        }
        for (what, header) in
            [("another scheme", format!("Basic {good}")), ("no scheme", good.clone())]
        {
            let call = fixture.call(route).header("authorization", header);
            calls.push((format!("{} with {what}", route.function), call));
        }
    }
    assert_all_refused(calls, 401, "unauthenticated").await;
}

/// Invalid tokens, made from a valid one.
fn bad_tokens(good: &str) -> Vec<(&'static str, String)> {
    const HEADER: usize = 0;
    const CLAIMS: usize = 1;
    let without_signature = |token: String| format!("{}.", token.rsplit_once('.').unwrap().0);
    vec![
        ("garbage", "garbage".to_owned()),
        ("three parts of garbage", "a.b.c".to_owned()),
        ("no signature", without_signature(good.to_owned())),
        ("another subject", altered(good, CLAIMS, "sub", &json!("sup_01kaka00000000000000000001"))),
        ("another expiry", altered(good, CLAIMS, "exp", &json!(4_000_000_000_u64))),
        ("alg none", without_signature(altered(good, HEADER, "alg", &json!("none")))),
        ("alg HS256", altered(good, HEADER, "alg", &json!("HS256"))),
        ("an unknown key", altered(good, HEADER, "kid", &json!("nobody"))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_with_an_altered_role_are_rejected() {
    let fixture = fixture().await;
    let altered = altered(&fixture.buyer.token, 1, "role", &json!("SUPERVISOR"));
    let calls =
        protected().map(|route| (route.function.to_owned(), fixture.call(route).token(&altered)));
    assert_all_refused(calls.collect(), 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_tokens_with_wrong_claims_are_rejected() {
    let fixture = fixture().await;
    let aws = &fixture.shop.aws;
    let (key, user_key) = (Key::of(aws, Role::Supervisor).await, Key::of(aws, Role::User).await);
    let good = claims(&fixture.supervisor.token);
    let proof = fixture.shop.get("/orders/nonsense").token(&key.sign(&good)).send().await;
    proof.problem(404, "not_found");

    let bad = [
        ("another role's key", user_key.sign(&good)),
        ("another role's key under the right name", user_key.named_as(&key).sign(&good)),
        ("a buyer's role", key.sign(&Claims { role: Role::User, ..good.clone() })),
        (
            "another audience",
            key.sign(&Claims { aud: "rialto:other:api".to_owned(), ..good.clone() }),
        ),
        (
            "another issuer",
            key.sign(&Claims { iss: "rialto:other:accounts".to_owned(), ..good.clone() }),
        ),
        ("another type", key.sign(&Claims { typ: "refresh".to_owned(), ..good.clone() })),
        (
            "a subject that is not a supervisor",
            key.sign(&Claims { sub: fixture.buyer.id.clone(), ..good.clone() }),
        ),
    ];
    let mut calls = Vec::new();
    for route in protected() {
        for (what, token) in &bad {
            calls.push((
                format!("{} with {what}", route.function),
                fixture.call(route).token(token),
            ));
        }
    }
    assert_all_refused(calls, 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_tokens_get_token_expired() {
    let fixture = fixture().await;
    let good = claims(&fixture.supervisor.token);
    let key = Key::of(&fixture.shop.aws, Role::Supervisor).await;
    let expired = key.sign(&Claims { iat: good.iat - 901, exp: good.iat - 1, ..good });
    let calls =
        protected().map(|route| (route.function.to_owned(), fixture.call(route).token(&expired)));
    assert_all_refused(calls.collect(), 401, "token_expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_without_a_live_session_get_token_expired() {
    if !gateway_authorizes() {
        return;
    }
    let fixture = fixture().await;
    let aws = &fixture.shop.aws;
    let login = &Local::read().accounts.supervisor;
    let ended = fixture.shop.log_in(&login.email, &login.password).await;
    let good = claims(&ended.token);
    let key = Key::of(aws, Role::Supervisor).await;
    let stranger = Claims { sid: SessionId::derive(&[b"no such session"]), ..good.clone() };

    fixture.shop.get("/orders/nonsense").token(&ended.token).send().await.problem(404, "not_found");
    fixture.shop.http.request("POST", "/auth/logout").token(&ended.token).send().await.expect(204);
    let mut calls = Vec::new();
    for route in protected() {
        let tokens = [("ended", &ended.token), ("unknown", &key.sign(&stranger))];
        for (what, token) in tokens {
            calls.push((format!("{} ({what})", route.function), fixture.call(route).token(token)));
        }
    }
    assert_all_refused(calls, 401, "token_expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_roles_and_owners_are_forbidden() {
    let fixture = fixture().await;
    let mut calls = Vec::new();
    for route in protected() {
        for role in [Role::User, Role::Seller] {
            let allowed = match route.who {
                Access::Anonymous => true,
                Access::SignedIn(roles) => roles.contains(&role),
                // The path names another account.
                Access::Owner(_) | Access::Provider => false,
            };
            if !allowed {
                let call = fixture.call(route).token(&fixture.by(role).token);
                calls.push((format!("{} by {role:?}", route.function), call));
            }
        }
    }
    assert_all_refused(calls, 403, "forbidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_allowed_roles_may_call_routes() {
    let fixture = fixture().await;
    let (log_out, close_account) = ("accounts-log-out", "accounts-unregister-user");
    let logged_out = fixture.shop.log_in(&fixture.buyer.email, &fixture.buyer.password).await;
    let mut calls = Vec::new();
    for route in protected().filter(|route| route.function != close_account) {
        let callers: &[&DemoAccount] = match route.who {
            Access::Anonymous | Access::Provider => &[],
            _ if route.function == log_out => &[&logged_out],
            Access::Owner(Role::User) => &[&fixture.buyer],
            Access::Owner(_) => &[&fixture.seller],
            Access::SignedIn(roles) => {
                match (roles.contains(&Role::User), roles.contains(&Role::Seller)) {
                    (true, true) => &[&fixture.buyer, &fixture.seller],
                    (true, false) => &[&fixture.buyer],
                    (false, true) => &[&fixture.seller],
                    (false, false) => &[],
                }
            }
        };
        for caller in callers {
            calls.push((route.function, fixture.call(route).token(&caller.token)));
        }
    }
    // Sent last, because it closes the buyer's account.
    let close = protected().find(|route| route.function == close_account).unwrap();
    let last = vec![(close_account, fixture.call(close).token(&fixture.buyer.token))];
    let mut count = 0;
    for calls in [calls, last] {
        count += calls.len();
        let responses =
            join_all(calls.into_iter().map(async |(what, call)| (what, call.send().await))).await;
        let refused =
            responses.iter().filter(|(_, response)| matches!(response.status, 401 | 403 | 500..));
        let refused: Vec<_> =
            refused.map(|(what, response)| format!("{what}: {response}")).collect();
        assert_eq!(refused, Vec::<String>::new());
    }
    println!("{count} calls allowed by the access table");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_paths_are_forbidden_even_if_unknown() {
    let fixture = fixture().await;
    let unknown = rialto_kernel::UserId::derive(&[b"nobody"]).to_string();
    let mut calls = Vec::new();
    for id in [&unknown, "nonsense", &fixture.buyer.id] {
        let call =
            fixture.shop.get(format!("/users/{id}/orders")).token(&fixture.other_buyer.token);
        calls.push((format!("orders of {id}"), call));
    }
    assert_all_refused(calls, 403, "forbidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_orders_are_not_found() {
    let AccessFixture { shop, order, other_buyer, other_seller, buyer, seller, .. } =
        &fixture().await;
    let none = OrderId::derive(&[b"no such order"]).to_string();
    let mut calls = Vec::new();
    for id in [order, &none] {
        for part in ["", "/timeline", "/payment"] {
            let path = format!("/orders/{id}{part}");
            calls.push((
                format!("{path} by another buyer"),
                shop.get(&path).token(&other_buyer.token),
            ));
        }
        let cancelling = shop.post(format!("/orders/{id}/cancel"), &json!({}));
        calls.push((
            format!("cancelling {id} by another buyer"),
            cancelling.token(&other_buyer.token),
        ));
        let path = format!("/orders/{id}");
        calls
            .push((format!("{path} by another seller"), shop.get(path).token(&other_seller.token)));
    }
    calls.push((
        format!("{none} by the buyer"),
        shop.get(format!("/orders/{none}")).token(&buyer.token),
    ));
    calls.push((
        format!("{none} by the seller"),
        shop.get(format!("/orders/{none}")).token(&seller.token),
    ));
    assert_all_refused(calls, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sellers_products_and_stock_are_forbidden() {
    let AccessFixture { shop, product, other_seller, seller, .. } = &fixture().await;
    let adjustment = json!({ "quantity": 1, "reason": "not allowed" });
    let calls = |id: &str| {
        vec![
            ("stock".to_owned(), shop.get(format!("/products/{id}/stock"))),
            ("movements".to_owned(), shop.get(format!("/products/{id}/stock/movements"))),
            (
                "adjustment".to_owned(),
                shop.post(format!("/products/{id}/stock/adjustments"), &adjustment)
                    .header("idempotency-key", "mine"),
            ),
            ("change".to_owned(), shop.patch(format!("/products/{id}"), &json!({ "price": 1 }))),
            (
                "status".to_owned(),
                shop.put(format!("/products/{id}/status"), &json!({ "status": "SOLD_OUT" })),
            ),
        ]
    };
    let by = |account: &DemoAccount, calls: Vec<(String, HttpRequest)>| {
        calls.into_iter().map(|(what, call)| (what, call.token(&account.token))).collect()
    };
    assert_all_refused(by(other_seller, calls(product)), 403, "forbidden").await;
    let none = ProductId::derive(&[b"no such product"]).to_string();
    assert_all_refused(by(seller, calls(&none)), 404, "not_found").await;
    let listed = shop.get(format!("/sellers/{}/products", seller.id)).token(&other_seller.token);
    assert_all_refused(vec![("list".to_owned(), listed)], 403, "forbidden").await;
    let (available, reserved, sold) = shop.stock(seller, product).await;
    assert_eq!((available, reserved + sold), (9, 1), "nothing was adjusted");
    assert_eq!(shop.get(format!("/products/{product}")).send().await.data(200)["price"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_may_call_every_route() {
    let fixture = fixture().await;
    let login = &Local::read().accounts.supervisor;
    let logged_out = fixture.shop.log_in(&login.email, &login.password).await;
    let calls = protected().map(|route| async {
        let by =
            if route.function == "accounts-log-out" { &logged_out } else { &fixture.supervisor };
        let response = fixture.call(route).token(&by.token).send().await;
        // 404 and 409 are about the resource and its state, not about access.
        let allowed = matches!(response.status, 200 | 201 | 204 | 400 | 404 | 409);
        (!allowed).then(|| format!("{}: {response}", route.function))
    });
    let refused: Vec<String> = join_all(calls).await.into_iter().flatten().collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_route_ignores_tokens() {
    let fixture = fixture().await;
    let mut wrong = Vec::new();
    for route in ROUTES.iter().filter(|route| route.who == Access::Provider) {
        let mut tokens = vec![None];
        tokens.extend(
            [Role::Supervisor, Role::Seller, Role::User].map(|role| Some(&fixture.by(role).token)),
        );
        for token in tokens {
            let call = fixture.call(route);
            let response =
                token.into_iter().fold(call, |call, token| call.token(token)).send().await;
            wrong.extend(response.is_problem(400, "invalid", &["Stripe-Signature"]).err());
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn public_routes_need_no_token() {
    let fixture = fixture().await;
    for route in ROUTES.iter().filter(|route| route.who == Access::Anonymous) {
        let response = fixture.call(route).send().await;
        assert!(matches!(response.status, 200 | 400), "{}: {response}", route.function);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_are_not_found() {
    if skip_on_localstack("LocalStack ignores the bodies of gateway responses") {
        return;
    }
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let mut calls = Vec::new();
    for (method, path) in [
        ("GET", "/nothing"),
        ("GET", "/"),
        ("GET", "/products/prd_01kaka00000000000000000001/nothing"),
    ] {
        calls.push((format!("{method} {path}"), shop.http.request(method, path)));
        let call = shop.http.request(method, path).token(&buyer.token);
        calls.push((format!("{method} {path} with a token"), call));
    }
    assert_all_refused(calls, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_methods_get_405_with_allow() {
    let shop = Shop::open();
    let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let allow = access::methods(path).chain(["OPTIONS"]).collect::<Vec<_>>().join(", ");
        let unrouted = ["GET", "POST", "PUT", "PATCH", "DELETE"]
            .into_iter()
            .find(|method| !allow.contains(method));
        let Some(method) = unrouted else { continue };
        let call = shop.http.request(method, path.replace(['{', '}'], ""));
        let response = call.header("origin", "http://localhost:3001").send().await;
        response.clone().problem(405, "method_not_allowed");
        assert_eq!(response.header("allow"), Some(allow.as_str()), "{response}");
        let exposed = response.header("access-control-expose-headers").unwrap_or_default();
        assert!(exposed.contains("Allow"), "{response}");
    }
    let head = shop.http.request("HEAD", "/products").send().await;
    assert_eq!(head.status, 405, "{head}");
    assert_eq!(head.header("allow"), Some("POST, GET, OPTIONS"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_unknown_emails_get_the_same_response() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let wrong = json!({ "email": buyer.email, "password": "not the password" });
    let unknown = json!({ "email": "nobody@e2e.example", "password": buyer.password });
    let wrong = shop.post("/auth/login", &wrong).send().await;
    let unknown = shop.post("/auth/login", &unknown).send().await;
    assert_eq!(wrong.text(), unknown.text());
    wrong.problem(401, "unauthenticated");
    // Emails are case-insensitive.
    let logged_in = shop.log_in(&buyer.email.to_uppercase(), &buyer.password).await;
    assert_eq!(logged_in.id, buyer.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn emails_are_unique_across_roles() {
    let shop = Shop::open();
    let (buyer, supervisor) = (shop.new_buyer().await, shop.supervisor().await);
    let again = json!({
        "email": buyer.email.to_uppercase(), "password": "another one 123", "name": "Another", "phone": "015550199",
    });
    shop.post("/users", &again).send().await.problem(409, "duplicate");
    shop.post("/sellers", &again).token(&supervisor.token).send().await.problem(409, "duplicate");
    assert_eq!(shop.log_in(&buyer.email, &buyer.password).await.id, buyer.id);
}
