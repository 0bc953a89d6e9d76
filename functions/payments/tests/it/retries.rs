//! Repeated requests to the provider within one invocation, in virtual time.

use crate::simulation::{Event::StockReserved, FixedClock, IN_TIME, Simulation};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use rialto_contracts::EventContext;
use rialto_kernel::{Amount, Write};
use rialto_lambda::{settings::Settings, telemetry::InvocationContext};
use rialto_payments::{
    adapters::provider::HttpProvider,
    application::on_stock_reserved::on_stock_reserved,
    domain::{
        intent::{IntentId, IntentState},
        payment::PaymentState,
        refund::Refund,
    },
    ports::{Provider, ProviderError},
};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// A response: its status, a header, and its body. `None` breaks the connection.
type Scripted = Option<(u16, Option<(&'static str, &'static str)>, Value)>;

/// A provider that gives these responses in order, the last one also to all further requests.
#[derive(Debug, Clone)]
struct ScriptedProvider {
    responses: Arc<Mutex<VecDeque<Scripted>>>,
    /// Method and path of each request.
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedProvider {
    fn responding(responses: impl IntoIterator<Item = Scripted>) -> (Self, HttpProvider) {
        let responses = Arc::new(Mutex::new(responses.into_iter().collect()));
        let script = Self { responses, requests: Arc::default() };
        let settings =
            [("payments/provider-url", "http://127.0.0.1"), ("payments/provider-key", "sk_test_1")];
        let connector = SharedHttpConnector::new(script.clone());
        (script, HttpProvider::over(Arc::new(Settings::fixed(&settings)), connector))
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

impl HttpConnector for ScriptedProvider {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let path = request.uri().trim_start_matches("http://127.0.0.1").to_owned();
        self.requests.lock().unwrap().push(format!("{} {path}", request.method()));
        let mut responses = self.responses.lock().unwrap();
        let next =
            if responses.len() > 1 { responses.pop_front() } else { responses.front().cloned() };
        HttpConnectorFuture::ready(match next.unwrap() {
            None => Err(ConnectorError::io("connection reset".into())),
            Some((status, header, body)) => {
                let status = StatusCode::try_from(status).unwrap();
                let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
                if let Some((name, value)) = header {
                    response.headers_mut().insert(name, value);
                }
                Ok(response)
            }
        })
    }
}

fn intent_with(status: &str) -> Scripted {
    Some((200, None, json!({"id": "pi_1", "status": status})))
}

fn failure(status: u16) -> Scripted {
    failure_with(status, None)
}

fn failure_with(status: u16, header: Option<(&'static str, &'static str)>) -> Scripted {
    Some((status, header, json!({"error": {"type": "api_error"}})))
}

fn intent() -> IntentId {
    IntentId::parse("pi_1").unwrap()
}

/// Runs `work` in an invocation that ends in 20 seconds; also returns the virtual time it took.
async fn within_20_seconds<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let deadline = Some(started + Duration::from_secs(20));
    let output = InvocationContext { deadline, ..InvocationContext::default() }.run(work).await;
    (output, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_lost_confirmation_is_asked_for_at_once() {
    for lost in [failure(500), None] {
        let simulation = Simulation::new("pm_sim_lost");
        let (script, provider) = ScriptedProvider::responding([
            intent_with("requires_confirmation"),
            lost,
            failure(503),
            intent_with("succeeded"),
        ]);
        let (event, cause) = (simulation.stock_reserved(), EventContext::default());
        let charge = on_stock_reserved(
            &simulation.store,
            &provider,
            &event,
            Duration::ZERO,
            &cause,
            &FixedClock(IN_TIME),
        );
        let (charged, took) = within_20_seconds(charge).await;
        assert_eq!(charged.unwrap(), Write::Done);
        let payment = simulation.payment().unwrap();
        assert_eq!(payment.state, PaymentState::Captured);
        assert!(took < Duration::from_secs(1), "{took:?}");
        let expected = [
            "POST /v1/payment_intents",
            "POST /v1/payment_intents/pi_1/confirm",
            "GET /v1/payment_intents/pi_1",
            "GET /v1/payment_intents/pi_1",
        ];
        assert_eq!(script.requests(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_is_not_repeated_without_asking() {
    let simulation = Simulation::new("pm_card_visa");
    let (script, provider) = ScriptedProvider::responding([
        intent_with("requires_confirmation"),
        None,
        intent_with("requires_confirmation"),
        failure(429),
        intent_with("requires_confirmation"),
        intent_with("succeeded"),
    ]);
    let (event, cause) = (simulation.stock_reserved(), EventContext::default());
    let charge = on_stock_reserved(
        &simulation.store,
        &provider,
        &event,
        Duration::ZERO,
        &cause,
        &FixedClock(IN_TIME),
    );
    assert_eq!(within_20_seconds(charge).await.0.unwrap(), Write::Done);
    let (confirm, retrieve) =
        ("POST /v1/payment_intents/pi_1/confirm", "GET /v1/payment_intents/pi_1");
    let expected = ["POST /v1/payment_intents", confirm, retrieve, confirm, retrieve, confirm];
    assert_eq!(script.requests(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_unrepeatable_confirmation_is_retrieved_only() {
    let (confirm, retrieve) =
        ("POST /v1/payment_intents/pi_1/confirm", "GET /v1/payment_intents/pi_1");
    for (status, found, state) in [
        (429, "requires_confirmation", PaymentState::Processing),
        (500, "requires_confirmation", PaymentState::Processing),
        (500, "succeeded", PaymentState::Captured),
    ] {
        let simulation = Simulation::new("pm_card_visa");
        let (script, provider) = ScriptedProvider::responding([
            intent_with("requires_confirmation"),
            failure_with(status, Some(("stripe-should-retry", "false"))),
            intent_with(found),
        ]);
        let (event, cause) = (simulation.stock_reserved(), EventContext::default());
        let charge = on_stock_reserved(
            &simulation.store,
            &provider,
            &event,
            Duration::ZERO,
            &cause,
            &FixedClock(IN_TIME),
        );
        let charged = within_20_seconds(charge).await.0;
        assert_eq!(charged.is_ok(), state == PaymentState::Captured, "{charged:?}");
        assert_eq!(simulation.payment().unwrap().state, state);
        assert_eq!(script.requests(), ["POST /v1/payment_intents", confirm, retrieve]);
    }
}

#[tokio::test(start_paused = true)]
async fn lost_charges_need_no_second_delivery() {
    for method in ["pm_sim_lost", "pm_sim_flaky"] {
        let simulation = Simulation::new(method);
        simulation.deliver_once(StockReserved).await.unwrap();
        assert_eq!(simulation.check(false).state, PaymentState::Captured, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_requests_are_repeated_a_few_times() {
    let refund = Refund::remaining(Simulation::new("").order, Amount::new(400).unwrap());
    for response in [failure(409), failure(429), failure(500), failure(503), None] {
        let (script, provider) = ScriptedProvider::responding([response]);
        assert!(provider.retrieve_intent(&intent()).await.is_err());
        assert_eq!(script.requests().len(), 4);
        assert!(provider.cancel_intent(&intent()).await.is_err());
        assert_eq!(script.requests().len(), 4);
        let order = Simulation::new("").order;
        assert!(provider.create_refund(order, &intent(), &refund).await.is_err());
        assert_eq!(script.requests().len(), 4);
        // Only after its state was read.
        assert!(provider.confirm_intent(&intent()).await.is_err());
        assert_eq!(script.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_soon_is_not_repeated() {
    let refused = json!({"error": {"type": "invalid_request_error", "code": "some_code"}});
    for response in [
        Some((400, None, refused)),
        failure(401),
        failure_with(500, Some(("stripe-should-retry", "false"))),
        Some((200, None, json!("no intent"))),
    ] {
        let (script, provider) = ScriptedProvider::responding([response]);
        let (result, took) = within_20_seconds(provider.retrieve_intent(&intent())).await;
        assert!(result.is_err());
        assert_eq!((script.requests().len(), took), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_provider_is_asked_until_time_is_short() {
    let (script, provider) = ScriptedProvider::responding([failure(429)]);
    let (result, took) = within_20_seconds(provider.retrieve_intent(&intent())).await;
    assert!(matches!(result, Err(ProviderError::Busy { .. })), "{result:?}");
    assert!(took <= Duration::from_secs(15), "{took:?}");
    assert!(script.requests().len() > 4);
    // An outage isn't waited for.
    let (script, provider) = ScriptedProvider::responding([failure(503)]);
    let (result, took) = within_20_seconds(provider.retrieve_intent(&intent())).await;
    assert!(result.is_err() && took < Duration::from_secs(2), "{took:?}");
    assert_eq!(script.requests().len(), 4);
}

/// A provider that never responds.
#[derive(Debug)]
struct SilentProvider;

impl HttpConnector for SilentProvider {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_before_its_invocation() {
    let settings =
        [("payments/provider-url", "http://127.0.0.1"), ("payments/provider-key", "sk_test_1")];
    let connector = SharedHttpConnector::new(SilentProvider);
    let provider = HttpProvider::over(Arc::new(Settings::fixed(&settings)), connector);
    let (results, took) = within_20_seconds(async {
        let retrieved = provider.retrieve_intent(&intent()).await;
        let again = provider.retrieve_intent(&intent()).await;
        (retrieved, again, provider.cancel_intent(&intent()).await)
    })
    .await;
    assert!(results.0.is_err() && results.1.is_err() && results.2.is_err());
    assert!(took <= Duration::from_secs(19), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_providers_wish_is_honoured() {
    let busy = |seconds| failure_with(429, Some(("retry-after", seconds)));
    let (_, provider) = ScriptedProvider::responding([busy("7"), intent_with("succeeded")]);
    let (result, took) = within_20_seconds(provider.retrieve_intent(&intent())).await;
    assert_eq!(result, Ok(IntentState::Succeeded));
    assert!(took >= Duration::from_secs(7), "{took:?}");

    let (script, provider) = ScriptedProvider::responding([busy("16")]);
    let (result, took) = within_20_seconds(provider.retrieve_intent(&intent())).await;
    assert!(result.is_err());
    assert_eq!((script.requests().len(), took), (1, Duration::ZERO));
}
