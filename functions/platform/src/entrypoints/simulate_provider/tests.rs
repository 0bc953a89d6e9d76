use super::*;
use crate::adapters::memory::MemoryIntents;
use rialto_kernel::Timestamp;
use serde_json::Value;
use std::collections::HashMap;

const KEY: &str = "sk_test_1";
const BASE: &str = "http://127.0.0.1/simulator";

fn request(method: &str, path: &str, body: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let headers = [
        ("authorization", "Bearer sk_test_1"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let mut request = Request::default();
    request.method = method.to_owned();
    request.path = HashMap::from([("proxy".to_owned(), path.to_owned())]);
    request.query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    request.headers =
        headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    request.body = body.as_bytes().to_vec();
    request
}

fn simulator(store: &MemoryIntents) -> Simulator<MemoryIntents> {
    Simulator { store: store.clone(), key: KEY.to_owned(), rate_limit: 0, base: BASE.to_owned() }
}

async fn response_to(store: &MemoryIntents, request: &Request) -> (u16, Value) {
    let (response, _) = simulator(store).handle(request).await.unwrap();
    (response.status, serde_json::from_str(&response.body).unwrap())
}

async fn send(store: &MemoryIntents, method: &str, path: &str, body: &str) -> (u16, Value) {
    response_to(store, &request(method, path, body)).await
}

async fn created(store: &MemoryIntents, method: &str) -> String {
    let body = format!("amount=1000&currency=eur&payment_method={method}&metadata[order_id]=ord_1");
    let (status, intent) = send(store, "POST", "v1/payment_intents", &body).await;
    assert_eq!((status, &intent["status"]), (200, &"requires_confirmation".into()));
    intent["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_disputed_charge_is_retrieved_and_closed() {
    let store = MemoryIntents::default();
    let id = created(&store, "pm_sim_dispute").await;
    let (status, _) = send(&store, "POST", &format!("v1/payment_intents/{id}/confirm"), "").await;
    assert_eq!(status, 200);
    let dispute_id = id.replace("pi_", "du_");
    let path = format!("v1/disputes/{dispute_id}");
    let (status, dispute) = send(&store, "GET", &path, "").await;
    assert_eq!((status, &dispute["status"]), (200, &"needs_response".into()));
    assert_eq!(dispute["payment_intent"], id);
    assert_eq!(dispute["balance_transactions"][0]["amount"], -1000);
    let refund = format!("payment_intent={id}&amount=400");
    let (status, refused) = send(&store, "POST", "v1/refunds", &refund).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &"charge_disputed".into()));

    let close = format!("v1/simulator/disputes/{dispute_id}/close");
    for bad in ["", "status=open"] {
        let (status, error) = send(&store, "POST", &close, bad).await;
        assert_eq!((status, &error["error"]["param"]), (400, &"status".into()));
    }
    let (status, closed) = send(&store, "POST", &close, "status=won").await;
    assert_eq!((status, &closed["status"]), (200, &"won".into()));
    assert_eq!(send(&store, "POST", "v1/refunds", &refund).await.0, 200);
    assert_eq!(send(&store, "POST", &close, "status=lost").await.0, 400);
    for unknown in ["du_none", "pi_none"] {
        let (status, _) = send(&store, "GET", &format!("v1/disputes/{unknown}"), "").await;
        assert_eq!(status, 404);
    }
}

#[tokio::test]
async fn a_payment_is_created_confirmed_and_refunded() {
    let store = MemoryIntents::default();
    let id = created(&store, "pm_card_visa").await;
    let (status, paid) =
        send(&store, "POST", &format!("v1/payment_intents/{id}/confirm"), "").await;
    assert_eq!(
        (status, &paid["status"], &paid["amount_received"]),
        (200, &"succeeded".into(), &1000.into())
    );
    assert_eq!(paid["metadata"]["order_id"], "ord_1");
    assert_eq!(send(&store, "GET", &format!("v1/payment_intents/{id}"), "").await, (200, paid));

    let body = format!("payment_intent={id}&amount=400&metadata%5Brefund%5D=order%231");
    let (status, refund) = send(&store, "POST", "v1/refunds", &body).await;
    assert_eq!(
        (status, &refund["status"], &refund["amount"]),
        (200, &"succeeded".into(), &400.into())
    );
    assert_eq!(refund["metadata"]["refund"], "order#1");
    let (status, too_much) =
        send(&store, "POST", "v1/refunds", &format!("payment_intent={id}&amount=601")).await;
    assert_eq!((status, &too_much["error"]["param"]), (400, &"amount".into()));
    send(&store, "POST", "v1/refunds", &format!("payment_intent={id}")).await;
    let (status, nothing_left) =
        send(&store, "POST", "v1/refunds", &format!("payment_intent={id}")).await;
    assert_eq!((status, &nothing_left["error"]["code"]), (400, &"charge_already_refunded".into()));

    let (_, page) =
        send(&store, "GET", &format!("v1/refunds?payment_intent={id}&limit=1"), "").await;
    assert_eq!((&page["data"][0]["amount"], &page["has_more"]), (&600.into(), &true.into()));
    let last = page["data"][0]["id"].as_str().unwrap();
    let path = format!("v1/refunds?payment_intent={id}&starting_after={last}");
    let (_, rest) = send(&store, "GET", &path, "").await;
    assert_eq!((&rest["data"][0]["amount"], &rest["has_more"]), (&400.into(), &false.into()));
}

#[tokio::test]
async fn a_decline_is_in_the_response_and_in_the_intent() {
    let store = MemoryIntents::default();
    let id = created(&store, "pm_card_chargeDeclinedInsufficientFunds").await;
    let (status, body) =
        send(&store, "POST", &format!("v1/payment_intents/{id}/confirm"), "").await;
    let error = &body["error"];
    assert_eq!(
        (status, &error["type"], &error["code"]),
        (402, &"card_error".into(), &"card_declined".into())
    );
    assert_eq!(error["decline_code"], "insufficient_funds");
    let (_, intent) = send(&store, "GET", &format!("v1/payment_intents/{id}"), "").await;
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"]["decline_code"], "insufficient_funds");
    assert_eq!(error["payment_intent"], intent);
}

#[tokio::test]
async fn a_repeated_request_gets_a_replayed_response() {
    let store = MemoryIntents::default();
    let keyed = |body: &str| {
        let mut request = request("POST", "v1/payment_intents", body);
        request.headers.insert("idempotency-key".to_owned(), "order-1".to_owned());
        request
    };
    let first = keyed("amount=1000&currency=eur");
    let (response, _) = simulator(&store).handle(&first).await.unwrap();
    let (replayed, _) = simulator(&store).handle(&first).await.unwrap();
    assert_eq!(replayed.body, response.body);
    assert!(replayed.headers.contains(&("Idempotent-Replayed", "true".to_owned())));
    let (status, body) = response_to(&store, &keyed("amount=1001&currency=eur")).await;
    assert_eq!((status, &body["error"]["type"]), (400, &"idempotency_error".into()));
}

#[tokio::test]
async fn an_invalid_request_does_not_use_up_its_key() {
    let store = MemoryIntents::default();
    for (body, status) in [("amount=0&currency=eur", 400), ("amount=5&currency=eur", 200)] {
        let mut request = request("POST", "v1/payment_intents", body);
        request.headers.insert("idempotency-key".to_owned(), "order-1".to_owned());
        assert_eq!(response_to(&store, &request).await.0, status);
    }
}

#[tokio::test]
async fn each_test_method_has_its_own_response() {
    let store = MemoryIntents::default();
    let id = created(&store, "pm_sim_flaky").await;
    let confirm = request("POST", &format!("v1/payment_intents/{id}/confirm"), "");
    assert_eq!(response_to(&store, &confirm).await.0, 429);
    assert!(simulator(&store).handle(&confirm).await.is_err());
    assert_eq!(response_to(&store, &confirm).await.0, 503);
    assert_eq!(response_to(&store, &confirm).await.0, 200);

    let id = created(&store, "pm_sim_lost").await;
    let confirm = format!("v1/payment_intents/{id}/confirm");
    assert_eq!(send(&store, "POST", &confirm, "").await.0, 500);
    assert_eq!(
        send(&store, "GET", &format!("v1/payment_intents/{id}"), "").await.1["status"],
        "succeeded"
    );

    let id = created(&store, "pm_sim_slow").await;
    let confirm = request("POST", &format!("v1/payment_intents/{id}/confirm"), "");
    assert_eq!(simulator(&store).handle(&confirm).await.unwrap().1, ResponseTiming::Slow);

    let id = created(&store, "pm_sim_async").await;
    let (_, intent) = send(&store, "POST", &format!("v1/payment_intents/{id}/confirm"), "").await;
    assert_eq!(intent["status"], "processing");
    let (_, intent) = send(&store, "POST", &format!("v1/payment_intents/{id}/cancel"), "").await;
    assert_eq!(intent["status"], "canceled");
}

#[tokio::test]
async fn an_invalid_request_names_its_parameter() {
    let store = MemoryIntents::default();
    let id = created(&store, "pm_card_visa").await;
    for (path, body, status, param) in [
        ("v1/payment_intents", "currency=eur", 400, "amount"),
        ("v1/payment_intents", "amount=0&currency=eur", 400, "amount"),
        ("v1/payment_intents", "amount=100000000&currency=eur", 400, "amount"),
        ("v1/payment_intents", "amount=1.5&currency=eur", 400, "amount"),
        ("v1/payment_intents", "amount=5", 400, "currency"),
        ("v1/payment_intents", "amount=5&currency=EUR", 400, "currency"),
        (
            "v1/payment_intents",
            "amount=5&currency=eur&payment_method=pm_none",
            400,
            "payment_method",
        ),
        ("v1/payment_intents", "amount=5&currency=eur&confirm=yes", 400, "confirm"),
        ("v1/payment_intents", "amount=5&currency=eur&colour=red", 400, "colour"),
        ("v1/payment_intents/pi_none/confirm", "", 404, "intent"),
        ("v1/refunds", "amount=5", 400, "payment_intent"),
        (&format!("v1/payment_intents/{id}/cancel"), "amount=5", 400, "amount"),
    ] {
        let (found, response) = send(&store, "POST", path, body).await;
        assert_eq!(
            (found, &response["error"]["param"]),
            (status, &param.into()),
            "{path} {body}: {response}"
        );
    }
}

#[tokio::test]
async fn requests_without_the_api_key_are_rejected() {
    let store = MemoryIntents::default();
    let mut unauthenticated = request("GET", "v1/payment_intents/pi_1", "");
    unauthenticated.headers.insert("authorization".to_owned(), "Bearer sk_test_2".to_owned());
    assert_eq!(response_to(&store, &unauthenticated).await.0, 401);
    unauthenticated.headers.remove("authorization");
    assert_eq!(response_to(&store, &unauthenticated).await.0, 401);
    // If no key is configured, an empty one is rejected too.
    unauthenticated.headers.insert("authorization".to_owned(), "Bearer ".to_owned());
    let without_key = Simulator { key: String::new(), ..simulator(&store) };
    let (response, _) = without_key.handle(&unauthenticated).await.unwrap();
    assert_eq!(response.status, 401);
}

#[tokio::test]
async fn unknown_paths_and_other_media_types_are_rejected() {
    let store = MemoryIntents::default();
    assert_eq!(send(&store, "GET", "v1/customers", "").await.0, 404);
    assert_eq!(send(&store, "DELETE", "v1/payment_intents/pi_1", "").await.0, 404);
    let mut json = request("POST", "v1/payment_intents", "{}");
    json.headers.insert("content-type".to_owned(), "application/json".to_owned());
    assert_eq!(response_to(&store, &json).await.0, 400);
}

#[tokio::test]
async fn requests_over_the_rate_limit_are_rejected_unprocessed() {
    let store = MemoryIntents::default();
    let limited = Simulator { rate_limit: 2, ..simulator(&store) };
    let body = "amount=1000&currency=eur&payment_method=pm_card_visa";
    let mut request =
        request("POST", "v1/payment_intents", body).received_at(Timestamp::from_millis(1_000));
    let send = async |request: &Request| {
        let (response, _) = limited.handle(request).await.unwrap();
        (response.status, serde_json::from_str::<Value>(&response.body).unwrap())
    };
    let mut wrong_key = request.clone();
    wrong_key.headers.insert("authorization".to_owned(), "Bearer sk_test_2".to_owned());
    assert_eq!(send(&wrong_key).await.0, 401);
    let (_, intent) = send(&request).await;
    assert_eq!(send(&request).await.0, 200);

    let confirm = format!("v1/payment_intents/{}/confirm", intent["id"].as_str().unwrap());
    request.path.insert("proxy".to_owned(), confirm);
    request.body.clear();
    let (status, body) = send(&request).await;
    assert_eq!(
        (status, &body["error"]["type"], &body["error"]["code"]),
        (429, &"invalid_request_error".into(), &"rate_limit".into())
    );
    let (_, intent) = send(&request.received_at(Timestamp::from_millis(2_000))).await;
    assert_eq!(intent["status"], "succeeded");
}

/// A request of the buyer's browser, without the simulator's key.
fn browser(method: &str, path: &str, body: &str) -> Request {
    let mut request = request(method, path, body);
    request.headers.remove("authorization");
    request
}

/// An intent that waits for the buyer, and the address of the buyer's page.
async fn waiting(store: &MemoryIntents) -> (String, String) {
    let id = created(store, "pm_sim_3ds").await;
    let confirm = format!("v1/payment_intents/{id}/confirm");
    let form = "return_url=https%3A%2F%2Fshop.example%2Fback%3Fa%3D1%26b%3D2";
    let (status, intent) = send(store, "POST", &confirm, form).await;
    assert_eq!((status, &intent["status"]), (200, &"requires_action".into()));
    let redirect = &intent["next_action"]["redirect_to_url"];
    assert_eq!(redirect["return_url"], "https://shop.example/back?a=1&b=2");
    let url = redirect["url"].as_str().unwrap().to_owned();
    let secret = intent["client_secret"].as_str().unwrap();
    assert!(url.ends_with(&format!("/action?client_secret={secret}")), "{url}");
    let (_, retrieved) = send(store, "GET", &format!("v1/payment_intents/{id}"), "").await;
    assert_eq!(retrieved, intent);
    (id, url.strip_prefix(&format!("{BASE}/")).unwrap().to_owned())
}

async fn status_of(store: &MemoryIntents, id: &str) -> Value {
    let (_, intent) = send(store, "GET", &format!("v1/payment_intents/{id}"), "").await;
    intent["status"].clone()
}

#[tokio::test]
async fn a_buyer_accepts_on_a_page_with_one_effect() {
    let store = MemoryIntents::default();
    let (id, url) = waiting(&store).await;
    let (path, secret) = url.split_once("?client_secret=").unwrap();
    let (page, _) = simulator(&store).handle(&browser("GET", &url, "")).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<form method=\"post\">") && page.body.contains(secret));
    assert_eq!(status_of(&store, &id).await, "requires_action");

    for action in ["accept", "accept", "decline", "accept", "accept"] {
        let form = format!("client_secret={secret}&action={action}");
        let clicked = browser("POST", path, &form);
        let (page, _) = simulator(&store).handle(&clicked).await.unwrap();
        assert_eq!(page.status, 200);
        assert!(page.body.contains("href=\"https://shop.example/back?a=1&amp;b=2\""));
        assert!(!page.body.contains("<form"), "{}", page.body);
    }
    assert_eq!(status_of(&store, &id).await, "succeeded");
    assert_eq!(store.intent(&id).await.unwrap().unwrap().version, 3);
}

#[tokio::test]
async fn the_key_accepts_and_declines_without_the_page() {
    let store = MemoryIntents::default();
    let (id, url) = waiting(&store).await;
    let (path, _) = url.split_once('?').unwrap();
    let (status, body) = send(&store, "POST", path, "action=perhaps").await;
    assert_eq!((status, &body["error"]["param"]), (400, &"action".into()));
    let (status, declined) = send(&store, "POST", path, "action=decline").await;
    assert_eq!((status, &declined["status"]), (200, &"requires_payment_method".into()));
    let code = &declined["last_payment_error"]["code"];
    assert_eq!(code, "payment_intent_authentication_failure");
    let (_, again) = send(&store, "POST", path, "action=accept").await;
    assert_eq!(again, declined);

    let (id_of_other, url) = waiting(&store).await;
    send(&store, "POST", &format!("v1/payment_intents/{id_of_other}/cancel"), "").await;
    let (path, _) = url.split_once('?').unwrap();
    let (status, body) = send(&store, "POST", path, "action=accept").await;
    assert_eq!((status, &body["error"]["code"]), (400, &"payment_intent_unexpected_state".into()));
    assert_eq!(status_of(&store, &id).await, "requires_payment_method");
    let visa = created(&store, "pm_card_visa").await;
    let path = format!("v1/simulator/intents/{visa}/action");
    assert_eq!(send(&store, "POST", &path, "action=accept").await.0, 400);
}

#[tokio::test]
async fn the_page_requires_the_intents_secret() {
    let store = MemoryIntents::default();
    let (id, url) = waiting(&store).await;
    let (_, url_of_other) = waiting(&store).await;
    let (path, _) = url.split_once('?').unwrap();
    let (_, secret_of_other) = url_of_other.split_once("?client_secret=").unwrap();
    for request in [
        browser("GET", path, ""),
        browser("GET", &format!("{path}?client_secret={secret_of_other}"), ""),
        browser("GET", "v1/simulator/intents/pi_none/action?client_secret=x", ""),
        browser("POST", path, "action=accept"),
        browser("POST", path, &format!("client_secret={secret_of_other}&action=accept")),
        browser("PUT", path, ""),
    ] {
        let (response, _) = simulator(&store).handle(&request).await.unwrap();
        assert!([400, 401, 404].contains(&response.status), "{request:?}");
    }
    let path = format!("v1/payment_intents/{id}");
    let (response, _) = simulator(&store).handle(&browser("GET", &path, "")).await.unwrap();
    assert_eq!(response.status, 401);
    assert_eq!(status_of(&store, &id).await, "requires_action");
}

#[tokio::test]
async fn a_return_url_is_a_web_address() {
    let store = MemoryIntents::default();
    for url in ["shop.example", "javascript:alert(1)", "https://shop.example/<b>"] {
        let id = created(&store, "pm_sim_3ds").await;
        let form: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("return_url", url).finish();
        let path = format!("v1/payment_intents/{id}/confirm");
        let (status, body) = send(&store, "POST", &path, &form).await;
        assert_eq!((status, &body["error"]["param"]), (400, &"return_url".into()), "{url}");
    }
}
