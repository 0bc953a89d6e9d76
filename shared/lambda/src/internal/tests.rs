use super::*;
use crate::settings::Settings;
use rialto_contracts::internal::orders::OpenOrders;
use rialto_kernel::{Timestamp, UserId};
use rialto_testkit::http::{StubResponse, serve};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// A Lambda service that answers every invocation as it is told to.
struct Service {
    peer: ServiceClient,
    calls: Arc<AtomicU32>,
    answers: Arc<Mutex<Option<StubResponse>>>,
    now: Arc<AtomicI64>,
}

struct SetClock(Arc<AtomicI64>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn yes() -> Option<StubResponse> {
    Some(StubResponse::new(200, "true"))
}

fn fails() -> Option<StubResponse> {
    Some(StubResponse::new(200, "{}").header("x-amz-function-error", "Unhandled"))
}

fn throttles() -> Option<StubResponse> {
    Some(StubResponse::new(429, "{}"))
}

impl Service {
    fn start() -> Self {
        let calls = Arc::new(AtomicU32::new(0));
        let answers = Arc::new(Mutex::new(yes()));
        let (counted, told) = (Arc::clone(&calls), Arc::clone(&answers));
        let endpoint = serve(move |asked| {
            let invoked =
                "POST /2015-03-31/functions/rialto-test-orders-answer-services/invocations";
            assert_eq!(asked.line, invoked);
            counted.fetch_add(1, Ordering::SeqCst);
            told.lock().unwrap().clone()
        });
        let now = Arc::new(AtomicI64::new(0));
        let app = FunctionContext {
            function: "test",
            stage: rialto_aws::Stage::parse("test").unwrap(),
            aws: rialto_aws::emulator_config(&endpoint),
            settings: Arc::new(Settings::fixed(&[])),
            clock: Arc::new(SetClock(Arc::clone(&now))),
        };
        Self { peer: ServiceClient::new(&app), calls, answers, now }
    }

    fn answers(&self, answer: Option<StubResponse>) {
        *self.answers.lock().unwrap() = answer;
    }

    async fn ask(&self) -> Result<bool, CallError> {
        self.peer.call(OpenOrders { user_id: UserId::derive(&[b"u"]) }).await
    }

    fn calls(&self) -> u32 {
        self.calls.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_question_is_answered() {
    let service = Service::start();
    assert_eq!(service.ask().await, Ok(true));
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_failure_is_tried_once_more() {
    for failure in [fails(), throttles()] {
        let service = Service::start();
        service.answers(failure);
        assert!(matches!(service.ask().await, Err(CallError::Invoke(_))));
        assert_eq!(service.calls(), 2);
    }
}

#[tokio::test]
async fn who_hangs_is_given_up() {
    let service = Service::start();
    service.answers(None);
    let unanswered = service.ask().await.unwrap_err();
    assert!(!matches!(unanswered, CallError::Open(_)), "{unanswered}");
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn after_failures_in_a_row_it_is_not_asked_and_recovers_by_itself() {
    let service = Service::start();
    service.answers(fails());
    for _ in 0..3 {
        assert!(matches!(service.ask().await, Err(CallError::Invoke(_))));
    }
    service.calls();
    assert_eq!(service.ask().await, Err(CallError::Open("orders-answer-services")));
    assert_eq!(service.calls(), 0);

    service.answers(yes());
    service.now.store(5_000, Ordering::SeqCst);
    assert_eq!(service.ask().await, Ok(true));
    assert_eq!(service.ask().await, Ok(true));
}

#[tokio::test]
async fn what_is_no_answer_is_not_taken_for_one() {
    let service = Service::start();
    service.answers(Some(StubResponse::new(200, "\"x\"")));
    assert_eq!(service.ask().await, Err(CallError::Unreadable("orders-answer-services")));
}
