//! The functions' log lines: tracing an order, and the absence of personal data and secrets.

use rialto_e2e::{
    logs::{Line, all_lines, never_logged},
    mail,
    shop::{DECLINES, NewProduct, OrderDraft, PERSONAL, Shop, address},
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock, Timestamp};

/// The functions that run for an order with a declined card.
const FUNCTIONS: &[&str] = &[
    "orders-place-order",
    "orders-relay",
    "inventory-on-orders",
    "inventory-relay",
    "orders-on-inventory",
    "payments-on-inventory",
    "platform-simulate-provider",
    "payments-relay",
    "orders-on-payments",
    "payments-on-orders",
];

/// Whether a line belongs to a trace, or is about an event of the trace.
fn is_of(line: &Line, trace: &str) -> bool {
    line.text_of("trace_id") == trace || line.text_of("traceparent").contains(trace)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_has_one_trace_across_all_functions() {
    let shop = Shop::open();
    let since = SystemClock.now().millis();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Followed closely", 100, 5)).await;
    let trace =
        rialto_kernel::digest::hex(&rialto_kernel::digest::sha256(&[buyer.id.as_bytes()])[..16]);
    let draft = OrderDraft::of(&[(&product, 1)]).paid_by(DECLINES);
    let place_request = shop
        .place_request(&buyer, &draft)
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let order = place_request.send().await.data(201)["order_id"].as_str().unwrap().to_owned();
    let kinds =
        ["OrderPlaced", "StockReserved", "PaymentFailed", "OrderCancelled", "StockReleased"];
    shop.timeline_events(&buyer, &order, &kinds).await;

    let lines = eventually("every function to be in the logs", async || {
        let lines = all_lines(&shop.aws, since, &trace).await;
        let is_logged = |function: &&&str| {
            lines.iter().any(|line| line.text_of("function") == **function && is_of(line, &trace))
        };
        let missing: Vec<_> = FUNCTIONS.iter().filter(|function| !is_logged(function)).collect();
        if missing.is_empty() {
            Ok(lines)
        } else {
            Err(format!("{missing:?} have no line of the trace"))
        }
    })
    .await;
    for line in
        lines.iter().filter(|line| matches!(line.text_of("message"), "consumed" | "published"))
    {
        assert_eq!(line.text_of("correlation_id"), order, "{}", line.text);
    }
    // A search for the order finds all of its lines, and no line of another trace.
    let lines = all_lines(&shop.aws, since, &order).await;
    for kind in kinds {
        for message in ["published", "consumed"] {
            let is_about =
                |line: &&Line| line.text_of("message") == message && line.text_of("kind") == kind;
            // Events of orders are also consumed, by inventory or payments.
            assert!(lines.iter().any(|line| is_about(&line)), "no line of {kind} being {message}");
        }
    }
    for line in lines.iter().filter(|line| line.text_of("correlation_id") == order) {
        assert!(is_of(line, &trace), "another trace: {}", line.text);
    }
    let placed = |line: &&Line| line.text_of("function") == "orders-place-order";
    assert!(
        lines.iter().any(|line| placed(&line)),
        "the request that placed the order isn't found by its id"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_are_json_without_personal_data() {
    let shop = Shop::open();
    let since = SystemClock.now().millis();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Bought discreetly", 100, 5)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)])).await;
    shop.wait_until_settled(&buyer, &order).await;
    // Rejected requests are logged, too.
    let wrong = serde_json::json!({ "email": buyer.email, "password": "not the password" });
    shop.post("/auth/login", &wrong).send().await.problem(401, "unauthenticated");
    shop.get(format!("/orders/{order}"))
        .token(&format!("{}x", buyer.token))
        .send()
        .await
        .expect(401);
    // Requests with all personal data that accounts receives.
    let own = format!("/users/{}", buyer.id);
    shop.patch(&own, &serde_json::json!({ "name": PERSONAL[0] }))
        .token(&buyer.token)
        .send()
        .await
        .expect(200);
    shop.post(format!("{own}/addresses"), &address()).token(&buyer.token).send().await.expect(201);
    let mut roof = address();
    roof["drop_off"] = serde_json::json!("ROOF");
    shop.post(format!("{own}/addresses"), &roof).token(&buyer.token).send().await.expect(400);
    let login = serde_json::json!({ "email": buyer.email, "password": buyer.password });
    let tokens = shop.post("/auth/login", &login).send().await.data(200);
    let refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
    let body = serde_json::json!({ "refresh_token": refresh_token });
    shop.post("/auth/refresh", &body).send().await.expect(200);
    let email = serde_json::json!({ "email": buyer.email });
    shop.post("/auth/password-reset", &email).send().await.expect(204);
    let code = mail::code(&shop.aws, &buyer.email, 1).await;
    let body =
        serde_json::json!({ "email": buyer.email, "code": code, "password": "secret password" });
    shop.put("/auth/password-reset", &body).send().await.expect(204);
    let buyer = shop.log_in(&buyer.email, "secret password").await;
    let supervisor = shop.supervisor().await;
    shop.get(format!("/users?email={}", buyer.email))
        .token(&supervisor.token)
        .send()
        .await
        .expect(200);
    shop.get(&own).token(&supervisor.token).send().await.expect(200);
    let mut bad = OrderDraft::of(&[(&product, 0)]).body();
    bad["address"]["receiver"] = serde_json::json!(7);
    let call = shop.post(format!("/users/{}/orders", buyer.id), &bad).token(&buyer.token);
    call.header("idempotency-key", "discreet").send().await.expect(400);

    // A supervisor's request is logged with the account that it is about.
    let expected = [(&order, "OrderConfirmed"), (&supervisor.id, "called by")];
    let lines = eventually("the requests to be in the logs", async || {
        let lines = all_lines(&shop.aws, since, "").await;
        let is_logged = |(who, what): &(&String, &str)| {
            let mut lines = lines.iter().filter(|line| line.text.contains(*what));
            lines.any(|line| {
                line.text.contains(*who) && (*who == &order || line.text_of("acts_for") == buyer.id)
            })
        };
        if expected.iter().all(is_logged) {
            Ok(lines)
        } else {
            Err(format!("not in {} lines", lines.len()))
        }
    })
    .await;
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let mut secrets: Vec<String> = never_logged().map(str::to_owned).collect();
    for account in [&seller, &buyer] {
        secrets.extend([
            account.email.clone(),
            account.password.clone(),
            signature(&account.token),
        ]);
    }
    secrets.extend([code, signature(&refresh_token), "secret password".to_owned()]);
    secrets.push("not the password".to_owned());
    for line in &lines {
        for secret in &secrets {
            assert!(!line.text.contains(secret), "{secret} is in the log: {}", line.text);
        }
        if line.is_from_lambda() {
            continue;
        }
        let Some(members) = &line.members else { panic!("a line that isn't JSON: {}", line.text) };
        let time = line.text_of("time");
        assert!(Timestamp::parse(time).is_ok(), "a line without a time: {}", line.text);
        assert!(["INFO", "WARN", "ERROR"].contains(&line.text_of("level")), "{}", line.text);
        assert!(!line.text_of("function").is_empty(), "{}", line.text);
        let has_message = members.get("message").is_some();
        assert!(has_message, "{}", line.text);
    }
    // Lines that belong to a request have its id and trace.
    let answered = lines
        .iter()
        .filter(|line| matches!(line.text_of("message"), "answered" | "consumed" | "refused"));
    for line in answered {
        assert!(!line.text_of("request_id").is_empty(), "{}", line.text);
        assert_eq!(line.text_of("trace_id").len(), 32, "{}", line.text);
    }
}
