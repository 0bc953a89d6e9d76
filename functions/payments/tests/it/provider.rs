//! The provider's requests to the byte, and what each of its answers means.

use rialto_kernel::{Amount, Currency, OrderId, Timestamp};
use rialto_lambda::settings::Settings;
use rialto_payments::{
    adapters::provider::HttpProvider,
    domain::{
        intent::{DeclineCode, IntentId, IntentState},
        payment::Charge,
        refund::{Refund, RefundEnd, RefundProgress},
    },
    ports::{Provider, ProviderError},
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const KEY: &str = "sk_test_1234";

/// What a server does with each request.
#[derive(Clone)]
enum Script {
    Answer(u16, String),
    /// Closes the connection.
    Reset,
    /// Says nothing.
    Silence,
}

/// A provider that answers everything alike, and what it was asked.
struct Server {
    url: String,
    provider: HttpProvider,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone, Default)]
struct Asked {
    /// Method and path.
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

impl Server {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/stage", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, script.clone(), Arc::clone(&heard)));
            }
        });
        Self { provider: provider(&url, KEY), url, asked }
    }

    async fn answering(status: u16, body: &Value) -> Self {
        Self::start(Script::Answer(status, body.to_string())).await
    }

    fn asked(&self) -> Asked {
        let asked = self.asked.lock().unwrap();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }
}

async fn serve(mut stream: TcpStream, script: Script, heard: Arc<Mutex<Vec<Asked>>>) {
    let mut text = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        text.extend_from_slice(&part[..read]);
        if let Some(asked) = parse(&String::from_utf8_lossy(&text)) {
            heard.lock().unwrap().push(asked);
            break;
        }
        assert!(read > 0, "half a request");
    }
    match script {
        Script::Answer(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // A client that has read enough may be gone.
            stream.write_all((head + &body).as_bytes()).await.ok();
        }
        Script::Reset => {}
        Script::Silence => std::future::pending().await,
    }
}

fn parse(text: &str) -> Option<Asked> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let asked = Asked { line, headers, body: body.to_owned() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then_some(asked)
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

fn is_unknown<T: std::fmt::Debug>(answer: &Result<T, ProviderError>) -> bool {
    let Err(ProviderError::Unknown(text)) = answer else { return false };
    assert!(!text.contains(KEY), "{text}");
    true
}

#[tokio::test]
async fn an_intent_is_created_under_the_orders_key() {
    let server =
        Server::answering(200, &json!({"id": "pi_1", "status": "requires_confirmation"})).await;
    assert_eq!(server.provider.create_intent(order(), &charge()).await, Ok(intent()));
    let asked = server.asked();
    let order = order().to_string();
    assert_eq!(asked.line, "POST /stage/v1/payment_intents");
    assert_eq!(asked.header("authorization"), Some("Bearer sk_test_1234"));
    assert_eq!(asked.header("idempotency-key"), Some(order.as_str()));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(asked.header("traceparent").is_some());
    let form: Vec<(String, String)> =
        form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
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
async fn an_intents_id_that_would_lead_elsewhere_is_not_taken() {
    let server = Server::answering(200, &json!({"id": "../refunds", "status": "succeeded"})).await;
    assert!(is_unknown(&server.provider.create_intent(order(), &charge()).await));
}

#[tokio::test]
async fn an_intent_says_how_far_its_charge_is() {
    let failed = |reason| IntentState::Failed { reason: DeclineCode::new(reason) };
    let error = json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"});
    let expired = json!({"type": "card_error", "code": "expired_card"});
    for (status, error, state) in [
        ("requires_confirmation", Value::Null, IntentState::RequiresConfirmation),
        ("requires_action", Value::Null, IntentState::RequiresAction),
        ("requires_payment_method", Value::Null, IntentState::RequiresAction),
        ("requires_payment_method", error, failed("insufficient_funds")),
        ("requires_payment_method", expired, failed("expired_card")),
        ("processing", Value::Null, IntentState::Processing),
        ("succeeded", Value::Null, IntentState::Succeeded),
        ("canceled", Value::Null, IntentState::Canceled),
    ] {
        let body = json!({"id": "pi_1", "status": status, "last_payment_error": error});
        let server = Server::answering(200, &body).await;
        assert_eq!(server.provider.retrieve_intent(&intent()).await, Ok(state), "{body}");
        let asked = server.asked();
        assert_eq!(
            (asked.line.as_str(), asked.body.as_str()),
            ("GET /stage/v1/payment_intents/pi_1", "")
        );
        assert_eq!(asked.header("idempotency-key"), None);
    }
    let server = Server::answering(200, &json!({"id": "pi_1", "status": "abolished"})).await;
    assert!(is_unknown(&server.provider.retrieve_intent(&intent()).await));
}

#[tokio::test]
async fn a_confirmation_has_no_key_and_a_decline_is_an_answer() {
    let server = Server::answering(200, &json!({"id": "pi_1", "status": "succeeded"})).await;
    assert_eq!(server.provider.confirm_intent(&intent()).await, Ok(IntentState::Succeeded));
    let asked = server.asked();
    assert_eq!(asked.line, "POST /stage/v1/payment_intents/pi_1/confirm");
    assert_eq!(asked.header("idempotency-key"), None);

    for (code, decline_code, reason) in [
        ("card_declined", Some("insufficient_funds"), "insufficient_funds"),
        ("expired_card", None, "expired_card"),
        ("card_declined", Some("Ask Mr Smith!"), "declined"),
    ] {
        let declined = failure("card_error", Some(code), decline_code);
        let server = Server::answering(402, &declined).await;
        let state = IntentState::Failed { reason: DeclineCode::new(reason) };
        assert_eq!(server.provider.confirm_intent(&intent()).await, Ok(state));
    }

    let moved_on = failure("invalid_request_error", Some("payment_intent_unexpected_state"), None);
    let server = Server::answering(400, &moved_on).await;
    let refused = ProviderError::Refused(DeclineCode::new("payment_intent_unexpected_state"));
    assert_eq!(server.provider.confirm_intent(&intent()).await, Err(refused));
}

#[tokio::test]
async fn an_intent_is_cancelled_or_has_ended() {
    let server = Server::answering(200, &json!({"id": "pi_1", "status": "canceled"})).await;
    assert_eq!(server.provider.cancel_intent(&intent()).await, Ok(IntentState::Canceled));
    assert_eq!(server.asked().line, "POST /stage/v1/payment_intents/pi_1/cancel");
}

#[tokio::test]
async fn a_refund_is_made_under_its_own_name() {
    for (status, progress) in [
        ("succeeded", RefundProgress::Ended(RefundEnd::Issued)),
        ("pending", RefundProgress::Pending),
        (
            "failed",
            RefundProgress::Ended(RefundEnd::Failed {
                reason: DeclineCode::new("expired_or_canceled_card"),
            }),
        ),
    ] {
        let body = json!({
            "id": "re_1", "status": status, "metadata": {},
            "failure_reason": (status == "failed").then_some("expired_or_canceled_card"),
        });
        let server = Server::answering(200, &body).await;
        assert_eq!(server.provider.create_refund(&intent(), &refund()).await, Ok(progress));
        let (asked, name) = (server.asked(), refund().refund_id.to_string());
        assert_eq!(asked.line, "POST /stage/v1/refunds");
        assert_eq!(asked.header("idempotency-key"), Some(name.as_str()));
        assert_eq!(
            asked.body,
            format!("payment_intent=pi_1&amount=400&metadata%5Brefund_id%5D={name}")
        );
    }
    let nothing_left = failure("invalid_request_error", Some("charge_already_refunded"), None);
    let server = Server::answering(400, &nothing_left).await;
    let refused = ProviderError::Refused(DeclineCode::new("charge_already_refunded"));
    assert_eq!(server.provider.create_refund(&intent(), &refund()).await, Err(refused));
}

#[tokio::test]
async fn a_refund_is_found_by_its_name() {
    let made =
        |name: &str, status| json!({"id": "re", "status": status, "metadata": {"refund_id": name}});
    let name = refund().refund_id.to_string();
    let issued = RefundProgress::Ended(RefundEnd::Issued);
    for (data, has_more, found) in [
        (json!([]), false, Ok(None)),
        (json!([made("ref_another", "failed"), {"id": "re", "status": "failed"}]), false, Ok(None)),
        (json!([made("ref_another", "failed"), made(&name, "succeeded")]), true, Ok(Some(issued))),
        (json!([made("ref_another", "failed")]), true, Err(())),
    ] {
        let server =
            Server::answering(200, &json!({"object": "list", "data": data, "has_more": has_more}))
                .await;
        let answer = server.provider.find_refund(&intent(), refund().refund_id).await;
        assert_eq!(server.asked().line, "GET /stage/v1/refunds?payment_intent=pi_1&limit=100");
        match found {
            Ok(found) => assert_eq!(answer, Ok(found)),
            Err(()) => assert!(is_unknown(&answer), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn what_says_nothing_about_the_request_leaves_its_outcome_unknown() {
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
        (429, coded("invalid_request_error")),
        (500, coded("api_error")),
        (503, String::new()),
        (200, " ".repeat(2 * 1024 * 1024)),
    ] {
        let server = Server::start(Script::Answer(status, body.clone())).await;
        let answer = server.provider.confirm_intent(&intent()).await;
        assert!(is_unknown(&answer), "{status} {}: {answer:?}", &body[..body.len().min(80)]);
        let answer = server.provider.create_refund(&intent(), &refund()).await;
        assert!(is_unknown(&answer), "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_leaves_the_outcome_unknown() {
    let server = Server::start(Script::Reset).await;
    assert!(is_unknown(&server.provider.confirm_intent(&intent()).await));
    server.asked();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answer = provider(&format!("http://{nobody}"), KEY).confirm_intent(&intent()).await;
    assert!(is_unknown(&answer));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_is_not_waited_for() {
    let server = Server::start(Script::Silence).await;
    let started = tokio::time::Instant::now();
    assert!(is_unknown(&server.provider.confirm_intent(&intent()).await));
    assert!(started.elapsed() <= std::time::Duration::from_secs(5));
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let server = Server::start(Script::Reset).await;
    assert!(is_unknown(&provider(&server.url, "").confirm_intent(&intent()).await));
    assert!(server.asked.lock().unwrap().is_empty());
}
