use super::*;
use crate::settings::Settings;
use rialto_contracts::internal::orders::OpenOrders;
use rialto_kernel::{Timestamp, UserId};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
};

/// A Lambda service that answers every invocation as it is told to.
struct Service {
    peer: Peer,
    calls: Arc<AtomicU32>,
    answers: Arc<Mutex<&'static str>>,
    now: Arc<AtomicI64>,
}

struct SetClock(Arc<AtomicI64>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

const YES: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
const FAILS: &str = "HTTP/1.1 200 OK\r\nx-amz-function-error: Unhandled\r\ncontent-length: 2\r\n\r\n{}";
const THROTTLES: &str = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\n{}";
const NONSENSE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\"x\"";
const HANGS: &str = "";

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicU32::new(0));
        let answers = Arc::new(Mutex::new(YES));
        let (counted, told) = (Arc::clone(&calls), Arc::clone(&answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (counted, told) = (Arc::clone(&counted), Arc::clone(&told));
                std::thread::spawn(move || serve(stream.unwrap(), &counted, &told));
            }
        });
        let now = Arc::new(AtomicI64::new(0));
        let app = App {
            function: "test",
            stage: rialto_aws::Stage::parse("test").unwrap(),
            aws: rialto_aws::emulator_config(&endpoint),
            settings: Arc::new(Settings::fixed(&[])),
            clock: Arc::new(SetClock(Arc::clone(&now))),
        };
        Self { peer: Peer::new(&app), calls, answers, now }
    }

    fn answers(&self, answer: &'static str) {
        *self.answers.lock().unwrap() = answer;
    }

    async fn ask(&self) -> Result<bool, Unanswered> {
        self.peer.ask(OpenOrders { user_id: UserId::derive(&[b"u"]) }).await
    }

    fn calls(&self) -> u32 {
        self.calls.swap(0, Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, calls: &AtomicU32, answers: &Mutex<&'static str>) {
    let mut lines = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut head = String::new();
        while lines.read_line(&mut head).is_ok_and(|read| read > 2) {
            let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        if head.is_empty() {
            return;
        }
        assert!(
            head.starts_with("POST /2015-03-31/functions/rialto-test-orders-answer-services/invocations")
        );
        lines.read_exact(&mut vec![0; length]).unwrap();
        calls.fetch_add(1, Ordering::SeqCst);
        let answer = *answers.lock().unwrap();
        if answer.is_empty() {
            // Until the caller hangs up.
            let mut rest = Vec::new();
            lines.read_to_end(&mut rest).ok();
            return;
        }
        lines.get_mut().write_all(answer.as_bytes()).unwrap();
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
    for failure in [FAILS, THROTTLES] {
        let service = Service::start();
        service.answers(failure);
        assert!(matches!(service.ask().await, Err(Unanswered::Invoke(_))));
        assert_eq!(service.calls(), 2);
    }
}

#[tokio::test]
async fn who_hangs_is_given_up() {
    let service = Service::start();
    service.answers(HANGS);
    let unanswered = service.ask().await.unwrap_err();
    assert!(!matches!(unanswered, Unanswered::Open(_)), "{unanswered}");
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn after_failures_in_a_row_it_is_not_asked_and_recovers_by_itself() {
    let service = Service::start();
    service.answers(FAILS);
    for _ in 0..3 {
        assert!(matches!(service.ask().await, Err(Unanswered::Invoke(_))));
    }
    service.calls();
    assert_eq!(service.ask().await, Err(Unanswered::Open("orders-answer-services")));
    assert_eq!(service.calls(), 0);

    service.answers(YES);
    service.now.store(5_000, Ordering::SeqCst);
    assert_eq!(service.ask().await, Ok(true));
    assert_eq!(service.ask().await, Ok(true));
}

#[tokio::test]
async fn what_is_no_answer_is_not_taken_for_one() {
    let service = Service::start();
    service.answers(NONSENSE);
    assert_eq!(service.ask().await, Err(Unanswered::Unreadable("orders-answer-services")));
}
