//! The exact requests to the provider, and the interpretation of its responses.

use rialto_kernel::{Amount, Currency, OrderId, Timestamp};
use rialto_lambda::settings::Settings;
use rialto_payments::{
    adapters::provider::HttpProvider,
    domain::{
        intent::{DeclineCode, IntentId, IntentState, NextAction},
        payment::Charge,
        refund::{Refund, RefundOutcome, RefundProgress},
    },
    ports::{ActionProvider, Provider, ProviderError},
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const KEY: &str = "sk_test_1234";

/// The server's reaction to each request.
#[derive(Clone)]
enum Script {
    Respond(u16, String),
    /// Closes the connection.
    Reset,
    /// Never responds.
    Hang,
}

/// A provider stub that treats all requests alike and records them.
struct ProviderStub {
    url: String,
    provider: HttpProvider,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

#[derive(Debug, Clone, Default)]
struct RecordedRequest {
    /// Method and path.
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl RecordedRequest {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

impl ProviderStub {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/stage", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, script.clone(), Arc::clone(&recorded)));
            }
        });
        Self { provider: provider(&url, KEY), url, requests }
    }

    async fn responding(status: u16, body: &Value) -> Self {
        Self::start(Script::Respond(status, body.to_string())).await
    }

    fn request(&self) -> RecordedRequest {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

async fn serve(mut stream: TcpStream, script: Script, recorded: Arc<Mutex<Vec<RecordedRequest>>>) {
    let mut text = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        text.extend_from_slice(&part[..read]);
        if let Some(request) = parse(&String::from_utf8_lossy(&text)) {
            recorded.lock().unwrap().push(request);
            break;
        }
        assert!(read > 0, "incomplete request");
    }
    match script {
        Script::Respond(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // The client may have closed the connection early.
            stream.write_all((head + &body).as_bytes()).await.ok();
        }
        Script::Reset => {}
        Script::Hang => std::future::pending().await,
    }
}

fn parse(text: &str) -> Option<RecordedRequest> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let request = RecordedRequest { line, headers, body: body.to_owned() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then_some(request)
}

fn provider(url: &str, key: &str) -> HttpProvider {
    let settings = [("payments/provider-url", url), ("payments/provider-key", key)];
    HttpProvider::with(Arc::new(Settings::fixed(&settings)))
}

fn order() -> OrderId {
    OrderId::derive(&[b"o"])
}

fn charge() -> Charge {
    Charge {
        total: Amount::new(2_500).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        payment_method: "pm_card_visa".to_owned(),
        attempt: 1,
        expires_at: Timestamp::from_millis(1),
    }
}

fn intent() -> IntentId {
    IntentId::parse("pi_1").unwrap()
}

fn refund() -> Refund {
    Refund::remaining(order(), Amount::new(400).unwrap())
}

fn failure(kind: &str, code: Option<&str>, decline_code: Option<&str>) -> Value {
    json!({"error": {"type": kind, "code": code, "decline_code": decline_code, "message": "No."}})
}

fn is_unknown<T: std::fmt::Debug>(result: &Result<T, ProviderError>) -> bool {
    let Err(ProviderError::Unknown(text)) = result else { return false };
    assert!(!text.contains(KEY), "{text}");
    true
}

#[tokio::test]
async fn intents_are_created_with_the_orders_idempotency_key() {
    let server =
        ProviderStub::responding(200, &json!({"id": "pi_1", "status": "requires_confirmation"}))
            .await;
    assert_eq!(server.provider.create_intent(order(), &charge()).await, Ok(intent()));
    let request = server.request();
    let order = order().to_string();
    assert_eq!(request.line, "POST /stage/v1/payment_intents");
    assert_eq!(request.header("authorization"), Some("Bearer sk_test_1234"));
    assert_eq!(request.header("stripe-version"), Some("2026-05-27.dahlia"));
    assert_eq!(request.header("idempotency-key"), Some(order.as_str()));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(request.header("traceparent").is_some());
    let form: Vec<(String, String)> =
        form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let form: Vec<(&str, &str)> =
        form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        form,
        [
            ("amount", "2500"),
            ("currency", "eur"),
            ("payment_method", "pm_card_visa"),
            ("automatic_payment_methods[enabled]", "true"),
            ("automatic_payment_methods[allow_redirects]", "never"),
            ("metadata[order_id]", order.as_str()),
        ]
    );
}

#[tokio::test]
async fn each_further_attempt_has_an_idempotency_key_of_its_own() {
    let body = json!({"id": "pi_2", "status": "requires_confirmation"});
    let server = ProviderStub::responding(200, &body).await;
    let charge = Charge { attempt: 2, ..charge() };
    assert!(server.provider.create_intent(order(), &charge).await.is_ok());
    let request = server.request();
    assert_eq!(request.header("idempotency-key"), Some(format!("{}#2", order()).as_str()));
    assert!(request.body.ends_with(&format!("metadata%5Border_id%5D={}", order())));
}

#[tokio::test]
async fn intent_ids_with_path_segments_are_rejected() {
    let server =
        ProviderStub::responding(200, &json!({"id": "../refunds", "status": "succeeded"})).await;
    assert!(is_unknown(&server.provider.create_intent(order(), &charge()).await));
}

#[tokio::test]
async fn intent_states_are_parsed() {
    let failed = |reason| IntentState::Failed { reason: DeclineCode::new(reason) };
    let error = json!({
        "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
    });
    let expired = json!({"type": "card_error", "code": "expired_card"});
    for (status, error, state) in [
        ("requires_confirmation", Value::Null, IntentState::RequiresConfirmation),
        ("requires_action", Value::Null, IntentState::RequiresAction),
        ("requires_payment_method", Value::Null, IntentState::Unusable),
        ("requires_capture", Value::Null, IntentState::Unusable),
        ("requires_payment_method", error, failed("insufficient_funds")),
        ("requires_payment_method", expired, failed("expired_card")),
        ("processing", Value::Null, IntentState::Processing),
        ("succeeded", Value::Null, IntentState::Succeeded),
        ("canceled", Value::Null, IntentState::Canceled),
    ] {
        let body = json!({"id": "pi_1", "status": status, "last_payment_error": error});
        let server = ProviderStub::responding(200, &body).await;
        assert_eq!(server.provider.retrieve_intent(&intent()).await, Ok(state), "{body}");
        let request = server.request();
        assert_eq!(
            (request.line.as_str(), request.body.as_str()),
            ("GET /stage/v1/payment_intents/pi_1", "")
        );
        assert_eq!(request.header("idempotency-key"), None);
    }
    let server = ProviderStub::responding(200, &json!({"id": "pi_1", "status": "abolished"})).await;
    assert!(is_unknown(&server.provider.retrieve_intent(&intent()).await));
}

#[tokio::test]
async fn confirmations_are_sent_without_an_idempotency_key() {
    let server = ProviderStub::responding(200, &json!({"id": "pi_1", "status": "succeeded"})).await;
    assert_eq!(server.provider.confirm_intent(&intent()).await, Ok(IntentState::Succeeded));
    let request = server.request();
    assert_eq!(request.line, "POST /stage/v1/payment_intents/pi_1/confirm");
    assert_eq!(request.header("idempotency-key"), None);
}

#[tokio::test]
async fn declined_confirmations_are_failed_charges() {
    for (code, decline_code, reason) in [
        ("card_declined", Some("insufficient_funds"), "insufficient_funds"),
        ("expired_card", None, "expired_card"),
        ("card_declined", Some("Ask Mr Smith!"), "declined"),
    ] {
        let declined = failure("card_error", Some(code), decline_code);
        let server = ProviderStub::responding(402, &declined).await;
        let state = IntentState::Failed { reason: DeclineCode::new(reason) };
        assert_eq!(server.provider.confirm_intent(&intent()).await, Ok(state));
    }

    let unexpected_state =
        failure("invalid_request_error", Some("payment_intent_unexpected_state"), None);
    let server = ProviderStub::responding(400, &unexpected_state).await;
    let refused = ProviderError::Refused(DeclineCode::new("payment_intent_unexpected_state"));
    assert_eq!(server.provider.confirm_intent(&intent()).await, Err(refused));
}

/// A provider whose buyers return to this page.
fn returning(server: &ProviderStub, return_url: &str) -> HttpProvider {
    let settings = [
        ("payments/provider-url", server.url.as_str()),
        ("payments/provider-key", KEY),
        ("payments/return-url", return_url),
    ];
    HttpProvider::with(Arc::new(Settings::fixed(&settings)))
}

#[tokio::test]
async fn buyers_return_to_the_page_of_the_setting() {
    let page = "https://shop.example/paid?lang=en";
    let server =
        ProviderStub::responding(200, &json!({"id": "pi_1", "status": "requires_action"})).await;
    let confirmed = returning(&server, page).confirm_intent(&intent()).await;
    assert_eq!(confirmed, Ok(IntentState::RequiresAction));
    let body = server.request().body;
    let form = form_urlencoded::parse(body.as_bytes()).into_owned();
    assert_eq!(form.collect::<Vec<_>>(), [("return_url".to_owned(), page.to_owned())]);

    let created = json!({"id": "pi_1", "status": "requires_confirmation"});
    for (return_url, redirects) in [(page, "always"), ("", "never")] {
        let server = ProviderStub::responding(200, &created).await;
        returning(&server, return_url).create_intent(order(), &charge()).await.unwrap();
        let body = server.request().body;
        assert!(body.contains(&format!("allow_redirects%5D={redirects}")), "{body}");
    }
}

#[tokio::test]
async fn next_actions_are_retrieved() {
    let redirect = |url: &str| json!({"type": "redirect_to_url", "redirect_to_url": {"url": url}});
    let script = json!({"type": "use_stripe_sdk", "use_stripe_sdk": {}});
    let action = |url: Option<&str>| NextAction {
        url: url.map(str::to_owned),
        client_secret: Some("pi_1_secret_1".to_owned()),
    };
    let page = "https://hooks.stripe.com/redirect/1";
    for (status, next_action, expected) in [
        ("requires_action", redirect(page), Some(action(Some(page)))),
        ("requires_action", script, Some(action(None))),
        ("succeeded", Value::Null, None),
        ("canceled", Value::Null, None),
    ] {
        let body = json!({
            "id": "pi_1", "status": status, "next_action": next_action,
            "client_secret": "pi_1_secret_1",
        });
        let server = ProviderStub::responding(200, &body).await;
        assert_eq!(server.provider.next_action(&intent()).await, Ok(expected), "{body}");
        assert_eq!(server.request().line, "GET /stage/v1/payment_intents/pi_1");
    }
    let server = ProviderStub::responding(503, &json!({})).await;
    assert!(is_unknown(&server.provider.next_action(&intent()).await));
}

#[tokio::test]
async fn intents_are_cancelled() {
    let server = ProviderStub::responding(200, &json!({"id": "pi_1", "status": "canceled"})).await;
    assert_eq!(server.provider.cancel_intent(&intent()).await, Ok(IntentState::Canceled));
    assert_eq!(server.request().line, "POST /stage/v1/payment_intents/pi_1/cancel");
}

#[tokio::test]
async fn refunds_are_created_with_their_id_as_idempotency_key() {
    for (status, progress) in [
        ("succeeded", RefundProgress::Ended(RefundOutcome::Issued)),
        ("pending", RefundProgress::Pending),
        (
            "failed",
            RefundProgress::Ended(RefundOutcome::Failed {
                reason: DeclineCode::new("expired_or_canceled_card"),
            }),
        ),
    ] {
        let body = json!({
            "id": "re_1", "status": status, "metadata": {},
            "failure_reason": (status == "failed").then_some("expired_or_canceled_card"),
        });
        let server = ProviderStub::responding(200, &body).await;
        assert_eq!(
            server.provider.create_refund(order(), &intent(), &refund()).await,
            Ok(progress)
        );
        let (request, refund_id) = (server.request(), refund().refund_id.to_string());
        assert_eq!(request.line, "POST /stage/v1/refunds");
        assert_eq!(request.header("idempotency-key"), Some(refund_id.as_str()));
        assert_eq!(
            request.body,
            format!(
                "payment_intent=pi_1&amount=400&metadata%5Border_id%5D={}\
                 &metadata%5Brefund_id%5D={refund_id}",
                order()
            )
        );
    }
    let nothing_left = failure("invalid_request_error", Some("charge_already_refunded"), None);
    let server = ProviderStub::responding(400, &nothing_left).await;
    let refused = ProviderError::Refused(DeclineCode::new("charge_already_refunded"));
    assert_eq!(server.provider.create_refund(order(), &intent(), &refund()).await, Err(refused));
}

#[tokio::test]
async fn refunds_are_found_by_their_id() {
    let refund_body =
        |name: &str, status| json!({"id": "re", "status": status, "metadata": {"refund_id": name}});
    let name = refund().refund_id.to_string();
    let issued = RefundProgress::Ended(RefundOutcome::Issued);
    for (data, has_more, found) in [
        (json!([]), false, Ok(None)),
        (
            json!([refund_body("ref_another", "failed"), {"id": "re", "status": "failed"}]),
            false,
            Ok(None),
        ),
        (
            json!([refund_body("ref_another", "failed"), refund_body(&name, "succeeded")]),
            true,
            Ok(Some(issued)),
        ),
        (json!([refund_body("ref_another", "failed")]), true, Err(())),
    ] {
        let server = ProviderStub::responding(
            200,
            &json!({"object": "list", "data": data, "has_more": has_more}),
        )
        .await;
        let result = server.provider.find_refund(&intent(), &refund()).await;
        assert_eq!(server.request().line, "GET /stage/v1/refunds?payment_intent=pi_1&limit=100");
        match found {
            Ok(found) => assert_eq!(result, Ok(found)),
            Err(()) => assert!(is_unknown(&result), "{result:?}"),
        }
    }
}

#[tokio::test]
async fn any_try_of_a_refund_that_has_not_failed_is_found() {
    let second = Refund { tries: 2, ..refund() };
    let (one, two) = (refund().try_name(), second.try_name());
    let issued = RefundProgress::Ended(RefundOutcome::Issued);
    let failed =
        RefundProgress::Ended(RefundOutcome::Failed { reason: DeclineCode::new("failed") });
    for (tries, has_more, found) in [
        (vec![(&one, "pending")], false, Ok(Some(RefundProgress::Pending))),
        (vec![(&two, "failed"), (&one, "succeeded")], false, Ok(Some(issued))),
        (vec![(&two, "failed"), (&one, "failed")], false, Ok(Some(failed))),
        (vec![(&one, "failed")], false, Ok(None)),
        (vec![(&two, "failed")], true, Err(())),
    ] {
        let data: Vec<Value> = tries
            .into_iter()
            .map(|(name, status)| json!({"status": status, "metadata": {"refund_id": name}}))
            .collect();
        let body = json!({"data": data, "has_more": has_more});
        let server = ProviderStub::responding(200, &body).await;
        let result = server.provider.find_refund(&intent(), &second).await;
        match found {
            Ok(found) => assert_eq!(result, Ok(found), "{body}"),
            Err(()) => assert!(is_unknown(&result), "{body}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn inconclusive_responses_leave_the_outcome_unknown() {
    let coded = |kind| failure(kind, Some("some_code"), None).to_string();
    for (status, body) in [
        (200, "<html>".to_owned()),
        (200, "{}".to_owned()),
        (302, String::new()),
        (400, "{}".to_owned()),
        (400, coded("idempotency_error")),
        (400, coded("api_error")),
        (401, coded("invalid_request_error")),
        (403, coded("invalid_request_error")),
        (404, failure("invalid_request_error", None, None).to_string()),
        (404, json!({"message": "Missing Authentication Token"}).to_string()),
        (409, coded("invalid_request_error")),
        (500, coded("api_error")),
        (503, String::new()),
        (200, " ".repeat(2 * 1024 * 1024)),
    ] {
        let server = ProviderStub::start(Script::Respond(status, body.clone())).await;
        let result = server.provider.confirm_intent(&intent()).await;
        assert!(is_unknown(&result), "{status} {}: {result:?}", &body[..body.len().min(80)]);
        let result = server.provider.create_refund(order(), &intent(), &refund()).await;
        assert!(is_unknown(&result), "{status}: {result:?}");
    }
}

#[tokio::test]
async fn broken_connections_leave_the_outcome_unknown() {
    let server = ProviderStub::start(Script::Reset).await;
    assert!(is_unknown(&server.provider.confirm_intent(&intent()).await));
    server.request();
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let result = provider(&format!("http://{unused}"), KEY).confirm_intent(&intent()).await;
    assert!(is_unknown(&result));
}

#[tokio::test(start_paused = true)]
async fn requests_time_out_without_a_response() {
    let server = ProviderStub::start(Script::Hang).await;
    let started = tokio::time::Instant::now();
    assert!(is_unknown(&server.provider.confirm_intent(&intent()).await));
    assert!(started.elapsed() <= std::time::Duration::from_secs(5));
}

#[tokio::test]
async fn requests_are_not_sent_without_an_api_key() {
    let server = ProviderStub::start(Script::Reset).await;
    assert!(is_unknown(&provider(&server.url, "").confirm_intent(&intent()).await));
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn live_keys_are_only_sent_to_stripe() {
    let server = ProviderStub::start(Script::Reset).await;
    for key in ["sk_live_1234", "rk_live_1234"] {
        let result = provider(&server.url, key).confirm_intent(&intent()).await;
        let Err(ProviderError::Unknown(text)) = result else { panic!("{result:?}") };
        assert_eq!(text, "a live key is only sent to https://api.stripe.com");
    }
    assert!(server.requests.lock().unwrap().is_empty());
}
