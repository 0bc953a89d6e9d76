use super::*;
use crate::settings::Settings;
use rialto_contracts::internal::orders::OpenOrders;
use rialto_kernel::{Timestamp, UserId};
use rialto_testkit::http::{StubResponse, serve};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// A stub of the Lambda service with a configurable response.
struct StubService {
    client: ServiceClient,
    calls: Arc<AtomicU32>,
    response: Arc<Mutex<Option<StubResponse>>>,
    now: Arc<AtomicI64>,
}

struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn success() -> Option<StubResponse> {
    Some(StubResponse::new(200, "true"))
}

fn failure() -> Option<StubResponse> {
    Some(StubResponse::new(200, "{}").header("x-amz-function-error", "Unhandled"))
}

fn throttled() -> Option<StubResponse> {
    Some(StubResponse::new(429, "{}"))
}

impl StubService {
    fn start() -> Self {
        let calls = Arc::new(AtomicU32::new(0));
        let response = Arc::new(Mutex::new(success()));
        let (counter, next) = (Arc::clone(&calls), Arc::clone(&response));
        let endpoint = serve(move |request| {
            let invoked =
                "POST /2015-03-31/functions/rialto-test-orders-answer-services/invocations";
            assert_eq!(request.line, invoked);
            counter.fetch_add(1, Ordering::SeqCst);
            next.lock().unwrap().clone()
        });
        let now = Arc::new(AtomicI64::new(0));
        let app = FunctionContext {
            function: "test",
            stage: rialto_aws::Stage::parse("test").unwrap(),
            aws: rialto_aws::emulator_config(&endpoint),
            settings: Arc::new(Settings::fixed(&[])),
            clock: Arc::new(TestClock(Arc::clone(&now))),
        };
        Self { client: ServiceClient::new(&app), calls, response, now }
    }

    fn respond_with(&self, response: Option<StubResponse>) {
        *self.response.lock().unwrap() = response;
    }

    async fn call(&self) -> Result<bool, CallError> {
        self.client.call(OpenOrders { user_id: UserId::derive(&[b"u"]) }).await
    }

    fn calls(&self) -> u32 {
        self.calls.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_call_returns_the_response() {
    let service = StubService::start();
    assert_eq!(service.call().await, Ok(true));
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_failed_call_is_retried_once() {
    for failure in [failure(), throttled()] {
        let service = StubService::start();
        service.respond_with(failure);
        assert!(matches!(service.call().await, Err(CallError::Invoke(_))));
        assert_eq!(service.calls(), 2);
    }
}

#[tokio::test]
async fn a_call_times_out() {
    let service = StubService::start();
    service.respond_with(None);
    let error = service.call().await.unwrap_err();
    assert!(!matches!(error, CallError::Open(_)), "{error}");
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn failures_in_a_row_open_the_circuit_for_a_while() {
    let service = StubService::start();
    service.respond_with(failure());
    for _ in 0..3 {
        assert!(matches!(service.call().await, Err(CallError::Invoke(_))));
    }
    service.calls();
    assert_eq!(service.call().await, Err(CallError::Open("orders-answer-services")));
    assert_eq!(service.calls(), 0);

    service.respond_with(success());
    service.now.store(5_000, Ordering::SeqCst);
    assert_eq!(service.call().await, Ok(true));
    assert_eq!(service.call().await, Ok(true));
}

#[tokio::test]
async fn invalid_responses_are_errors() {
    let service = StubService::start();
    service.respond_with(Some(StubResponse::new(200, "\"x\"")));
    assert_eq!(service.call().await, Err(CallError::Unreadable("orders-answer-services")));
}
