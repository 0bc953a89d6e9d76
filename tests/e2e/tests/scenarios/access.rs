//! Access control: the whole access table, tested against the deployed gateway and functions.

use futures_util::future::join_all;
use rialto_e2e::{
    forged_tokens::{Key, altered, claims},
    http::Call,
    local::{Local, gateway_authorizes, skip_on_localstack},
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
};
use rialto_kernel::{AddressId, OrderId, ProductId, Role, SessionId};
use rialto_lambda::{
    access::{self, Access, ROUTES, Route},
    token::Claims,
};
use serde_json::json;

/// Accounts of all roles, with a product and an order.
struct World {
    shop: Shop,
    supervisor: DemoAccount,
    seller: DemoAccount,
    buyer: DemoAccount,
    other_seller: DemoAccount,
    other_buyer: DemoAccount,
    product: String,
    order: String,
}

async fn world() -> World {
    let shop = Shop::open();
    let (seller, other_seller) = (shop.new_seller().await, shop.new_seller().await);
    let (buyer, other_buyer) = (shop.new_buyer().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Somebody's thing", 100, 10)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)])).await;
    shop.wait_until_settled(&buyer, &order).await;
    let supervisor = shop.supervisor().await;
    World { shop, supervisor, seller, buyer, other_seller, other_buyer, product, order }
}

impl World {
    /// The route's path with the ids of the buyer, seller, product and order.
    fn path(&self, route: &Route) -> String {
        let path =
            route.path.replace("{user_id}", &self.buyer.id).replace("{seller_id}", &self.seller.id);
        let path = path.replace("{product_id}", &self.product).replace("{order_id}", &self.order);
        let path =
            path.replace("{session_id}", &SessionId::derive(&[b"no such session"]).to_string());
        path.replace("{address_id}", &AddressId::derive(&[b"no such address"]).to_string())
    }

    /// A call of the route that is only invalid because of its body.
    fn call(&self, route: &Route) -> Call {
        let call = self.shop.http.call(route.method, self.path(route));
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

fn closed() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.who.requires_token())
}

/// Sends all calls, and asserts that each response is this problem.
async fn all_refused(calls: Vec<(String, Call)>, status: u16, code: &str) {
    assert!(!calls.is_empty());
    eprintln!("{} calls, each answered {status} {code}", calls.len());
    let answers =
        join_all(calls.into_iter().map(|(what, call)| async { (what, call.send().await) })).await;
    let wrong: Vec<_> = answers
        .iter()
        .filter_map(|(what, answer)| Some((what, answer.is_problem(status, code, &[]).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_reject_missing_and_invalid_tokens() {
    let world = world().await;
    let good = &world.supervisor.token;
    let login = &Local::read().accounts.supervisor;
    let login = json!({ "email": login.email, "password": login.password });
    let tokens = world.shop.post("/auth/login", &login).send().await.data(200);
    let refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
    let mut bad = bad_tokens(good);
    bad.push(("a refresh token", refresh_token));
    let mut calls = Vec::new();
    for route in closed() {
        calls.push((format!("{} without a token", route.function), world.call(route)));
        for (what, token) in &bad {
            let call = world.call(route).token(token);
            calls.push((format!("{} with {what}", route.function), call));
        }
        for (what, header) in
            [("another scheme", format!("Basic {good}")), ("no scheme", good.clone())]
        {
            let call = world.call(route).header("authorization", header);
            calls.push((format!("{} with {what}", route.function), call));
        }
    }
    all_refused(calls, 401, "unauthenticated").await;
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
    let world = world().await;
    let altered = altered(&world.buyer.token, 1, "role", &json!("SUPERVISOR"));
    let calls =
        closed().map(|route| (route.function.to_owned(), world.call(route).token(&altered)));
    all_refused(calls.collect(), 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_tokens_with_wrong_claims_are_rejected() {
    let world = world().await;
    let aws = &world.shop.aws;
    let (key, user_key) = (Key::of(aws, Role::Supervisor).await, Key::of(aws, Role::User).await);
    let good = claims(&world.supervisor.token);
    let proof = world.shop.get("/orders/nonsense").token(&key.sign(&good)).send().await;
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
            "a subject that is no supervisor",
            key.sign(&Claims { sub: world.buyer.id.clone(), ..good.clone() }),
        ),
    ];
    let mut calls = Vec::new();
    for route in closed() {
        for (what, token) in &bad {
            calls.push((format!("{} with {what}", route.function), world.call(route).token(token)));
        }
    }
    all_refused(calls, 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_tokens_get_token_expired() {
    let world = world().await;
    let good = claims(&world.supervisor.token);
    let key = Key::of(&world.shop.aws, Role::Supervisor).await;
    let expired = key.sign(&Claims { iat: good.iat - 901, exp: good.iat - 1, ..good });
    let calls =
        closed().map(|route| (route.function.to_owned(), world.call(route).token(&expired)));
    all_refused(calls.collect(), 401, "token_expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_without_a_live_session_get_token_expired() {
    if !gateway_authorizes() {
        return;
    }
    let world = world().await;
    let aws = &world.shop.aws;
    let login = &Local::read().accounts.supervisor;
    let ended = world.shop.log_in(&login.email, &login.password).await;
    let good = claims(&ended.token);
    let key = Key::of(aws, Role::Supervisor).await;
    let stranger = Claims { sid: SessionId::derive(&[b"no such session"]), ..good.clone() };

    world.shop.get("/orders/nonsense").token(&ended.token).send().await.problem(404, "not_found");
    world.shop.http.call("POST", "/auth/logout").token(&ended.token).send().await.expect(204);
    let mut calls = Vec::new();
    for route in closed() {
        let tokens = [("ended", &ended.token), ("unknown", &key.sign(&stranger))];
        for (what, token) in tokens {
            calls.push((format!("{} ({what})", route.function), world.call(route).token(token)));
        }
    }
    all_refused(calls, 401, "token_expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_roles_and_owners_are_forbidden() {
    let world = world().await;
    let mut calls = Vec::new();
    for route in closed() {
        for role in [Role::User, Role::Seller] {
            let allowed = match route.who {
                Access::Anonymous => true,
                Access::SignedIn(roles) => roles.contains(&role),
                // The path names another account.
                Access::Owner(_) | Access::Provider => false,
            };
            if !allowed {
                let call = world.call(route).token(&world.by(role).token);
                calls.push((format!("{} by {role:?}", route.function), call));
            }
        }
    }
    all_refused(calls, 403, "forbidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_allowed_roles_may_call_routes() {
    let world = world().await;
    let (leaving, closing) = ("accounts-log-out", "accounts-unregister-user");
    let leaver = world.shop.log_in(&world.buyer.email, &world.buyer.password).await;
    let mut calls = Vec::new();
    for route in closed().filter(|route| route.function != closing) {
        let callers: &[&DemoAccount] = match route.who {
            Access::Anonymous | Access::Provider => &[],
            _ if route.function == leaving => &[&leaver],
            Access::Owner(Role::User) => &[&world.buyer],
            Access::Owner(_) => &[&world.seller],
            Access::SignedIn(roles) => {
                match (roles.contains(&Role::User), roles.contains(&Role::Seller)) {
                    (true, true) => &[&world.buyer, &world.seller],
                    (true, false) => &[&world.buyer],
                    (false, true) => &[&world.seller],
                    (false, false) => &[],
                }
            }
        };
        for caller in callers {
            calls.push((route.function, world.call(route).token(&caller.token)));
        }
    }
    // Sent last, because it closes the buyer's account.
    let close = closed().find(|route| route.function == closing).unwrap();
    let last = vec![(closing, world.call(close).token(&world.buyer.token))];
    let mut count = 0;
    for calls in [calls, last] {
        count += calls.len();
        let answers =
            join_all(calls.into_iter().map(async |(what, call)| (what, call.send().await))).await;
        let refused =
            answers.iter().filter(|(_, answer)| matches!(answer.status, 401 | 403 | 500..));
        let refused: Vec<_> = refused.map(|(what, answer)| format!("{what}: {answer}")).collect();
        assert_eq!(refused, Vec::<String>::new());
    }
    println!("{count} calls by those whom the access table lets in");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_paths_are_forbidden_even_if_unknown() {
    let world = world().await;
    let nobody = rialto_kernel::UserId::derive(&[b"nobody"]).to_string();
    let mut calls = Vec::new();
    for id in [&nobody, "nonsense", &world.buyer.id] {
        let call = world.shop.get(format!("/users/{id}/orders")).token(&world.other_buyer.token);
        calls.push((format!("orders of {id}"), call));
    }
    all_refused(calls, 403, "forbidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_orders_are_not_found() {
    let World { shop, order, other_buyer, other_seller, buyer, seller, .. } = &world().await;
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
    all_refused(calls, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sellers_products_and_stock_are_forbidden() {
    let World { shop, product, other_seller, seller, .. } = &world().await;
    let adjustment = json!({ "quantity": 1, "reason": "mine now" });
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
    let by = |account: &DemoAccount, calls: Vec<(String, Call)>| {
        calls.into_iter().map(|(what, call)| (what, call.token(&account.token))).collect()
    };
    all_refused(by(other_seller, calls(product)), 403, "forbidden").await;
    let none = ProductId::derive(&[b"no such product"]).to_string();
    all_refused(by(seller, calls(&none)), 404, "not_found").await;
    let listed = shop.get(format!("/sellers/{}/products", seller.id)).token(&other_seller.token);
    all_refused(vec![("list".to_owned(), listed)], 403, "forbidden").await;
    let (available, reserved, sold) = shop.stock(seller, product).await;
    assert_eq!((available, reserved + sold), (9, 1), "nothing was adjusted");
    assert_eq!(shop.get(format!("/products/{product}")).send().await.data(200)["price"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_may_call_every_route() {
    let world = world().await;
    let login = &Local::read().accounts.supervisor;
    let leaving = world.shop.log_in(&login.email, &login.password).await;
    let calls = closed().map(|route| async {
        let by = if route.function == "accounts-log-out" { &leaving } else { &world.supervisor };
        let answer = world.call(route).token(&by.token).send().await;
        // 404 and 409 are about the resource and its state, not about access.
        let let_in = matches!(answer.status, 200 | 201 | 204 | 400 | 404 | 409);
        (!let_in).then(|| format!("{}: {answer}", route.function))
    });
    let refused: Vec<String> = join_all(calls).await.into_iter().flatten().collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_route_ignores_tokens() {
    let world = world().await;
    let mut wrong = Vec::new();
    for route in ROUTES.iter().filter(|route| route.who == Access::Provider) {
        let mut tokens = vec![None];
        tokens.extend(
            [Role::Supervisor, Role::Seller, Role::User].map(|role| Some(&world.by(role).token)),
        );
        for token in tokens {
            let call = world.call(route);
            let answer = token.into_iter().fold(call, |call, token| call.token(token)).send().await;
            wrong.extend(answer.is_problem(400, "invalid", &["Stripe-Signature"]).err());
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn public_routes_need_no_token() {
    let world = world().await;
    for route in ROUTES.iter().filter(|route| route.who == Access::Anonymous) {
        let answer = world.call(route).send().await;
        assert!(matches!(answer.status, 200 | 400), "{}: {answer}", route.function);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_are_not_found() {
    if !skip_on_localstack("a gateway's own answers have no body of ours there") {
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
        calls.push((format!("{method} {path}"), shop.http.call(method, path)));
        let call = shop.http.call(method, path).token(&buyer.token);
        calls.push((format!("{method} {path} with a token"), call));
    }
    all_refused(calls, 404, "not_found").await;
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
        let call = shop.http.call(method, path.replace(['{', '}'], ""));
        let answer = call.header("origin", "http://localhost:3001").send().await;
        answer.clone().problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow.as_str()), "{answer}");
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        assert!(exposed.contains("Allow"), "{answer}");
    }
    let head = shop.http.call("HEAD", "/products").send().await;
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
    let shouted = shop.log_in(&buyer.email.to_uppercase(), &buyer.password).await;
    assert_eq!(shouted.id, buyer.id);
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
