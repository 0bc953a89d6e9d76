//! More sales than the payment provider's rate limit allows at once: payments' handler and the
//! simulator with a rate limit. Queue and batches are reimplemented here, in virtual time and with
//! the template's settings: visibility, redelivery and batch failures of SQS and Lambda aren't
//! tested.

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use futures_util::future::join_all;
use rialto_contracts::{Event, EventContext, inventory::StockReserved};
use rialto_kernel::{Amount, Clock, Currency, OrderId, Timestamp, UserId};
use rialto_lambda::{
    http::{Request, Response},
    settings::Settings,
    sqs::{Message, retry_time},
    telemetry::{InvocationContext, Trace},
};
use rialto_payments::{
    adapters::{memory::MemoryPayments, provider::HttpProvider},
    entrypoints::on_inventory::{ChargeState, handle},
};
use rialto_platform::{adapters::memory::MemoryIntents, entrypoints::simulate_provider::Simulator};
use rialto_testkit::template;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout_at};

const URL: &str = "http://127.0.0.1/stage/";
const KEY: &str = "sk_sim_1234";
/// The provider's time for a request.
const LATENCY: Duration = Duration::from_millis(100);

/// The time of day, by tokio's clock.
#[derive(Debug, Clone, Copy)]
struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_253_400_000).plus(self.0.elapsed())
    }
}

/// Passes payments' requests on to the simulator.
#[derive(Debug, Clone)]
struct SimulatedProvider {
    simulator: Simulator<MemoryIntents>,
    clock: VirtualClock,
    processed: Arc<AtomicU32>,
    rejected: Arc<AtomicU32>,
}

impl HttpConnector for SimulatedProvider {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let provider = self.clone();
        HttpConnectorFuture::new(async move {
            sleep(LATENCY).await;
            let mut called = Request::default();
            called.method = request.method().to_owned();
            let path = request.uri().strip_prefix(URL).unwrap().to_owned();
            called.path = HashMap::from([("proxy".to_owned(), path)]);
            called.headers =
                request.headers().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            called.body = request.body().bytes().unwrap_or_default().to_vec();
            let called = called.received_at(provider.clock.now());
            let (Response { status, body, .. }, _) =
                provider.simulator.handle(&called).await.map_err(ConnectorError::io)?;
            let count = if status == 429 { &provider.rejected } else { &provider.processed };
            count.fetch_add(1, Ordering::Relaxed);
            let status = StatusCode::try_from(status).unwrap();
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

/// What the template says about payments' queue and function.
#[derive(Debug)]
struct Consumer {
    batch_size: usize,
    /// Of batches.
    max_concurrency: usize,
    max_receives: u32,
    timeout: Duration,
}

impl Consumer {
    fn of_the_template() -> Self {
        let template = template();
        let number = |id: &str, path: &[&str]| {
            let resource = template.resources().find(|(name, _, _)| *name == id).unwrap().2;
            path.iter().fold(resource, |value, key| &value[*key]).as_u64()
        };
        let source = |path: &[&str]| number("PaymentsOnInventorySource", path);
        let queue = |path: &[&str]| number("PaymentsOnInventoryQueue", path).unwrap();
        let max_concurrency = template.0["Parameters"]["ProviderConcurrency"]["Default"].as_u64();
        let timeout = number("PaymentsOnInventoryFunction", &["Timeout"])
            .or_else(|| template.0["Globals"]["Function"]["Timeout"].as_u64())
            .unwrap();
        Self {
            batch_size: usize::try_from(source(&["BatchSize"]).unwrap()).unwrap(),
            max_concurrency: usize::try_from(max_concurrency.unwrap()).unwrap(),
            max_receives: u32::try_from(queue(&["RedrivePolicy", "maxReceiveCount"])).unwrap(),
            timeout: Duration::from_secs(timeout),
        }
    }
}

/// The queue's messages, by the time at which they can be received.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<(Instant, usize), Delivery>,
    in_flight: usize,
    dead_letters: Vec<OrderId>,
    receives: BTreeMap<u32, u32>,
}

#[derive(Debug, Clone)]
struct Delivery {
    event: Event,
    order: OrderId,
    receives: u32,
}

impl Queue {
    fn receive(&mut self, limit: usize) -> Vec<(usize, Delivery)> {
        let now = Instant::now();
        let mut batch = Vec::new();
        while batch.len() < limit
            && let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            let ((_, number), mut delivery) = first.remove_entry();
            delivery.receives += 1;
            batch.push((number, delivery));
        }
        self.in_flight += batch.len();
        batch
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.in_flight == 0
    }
}

struct Sale {
    consumer: Consumer,
    state: ChargeState<MemoryPayments, HttpProvider>,
    queue: Mutex<Queue>,
}

impl Sale {
    /// Receives batches one after the other until the queue is empty.
    async fn poll(&self) {
        loop {
            let (batch, done) = {
                let mut queue = self.queue.lock().unwrap();
                (queue.receive(self.consumer.batch_size), queue.is_done())
            };
            if done {
                return;
            }
            if batch.is_empty() {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            let received_at = Instant::now();
            join_all(
                batch
                    .into_iter()
                    .map(|(number, delivery)| self.consume(number, delivery, received_at)),
            )
            .await;
        }
    }

    async fn consume(&self, number: usize, delivery: Delivery, received_at: Instant) {
        let deadline = received_at + self.consumer.timeout - Duration::from_millis(500);
        let trace = Trace::start();
        let message = Message::new(delivery.event.clone(), self.state.clock.now(), &trace);
        let scope = InvocationContext { deadline: Some(deadline), ..InvocationContext::default() };
        let work = scope.run(handle(self.state.clone(), message));
        let handled = matches!(timeout_at(deadline, work).await, Ok(Ok(_)));
        let mut queue = self.queue.lock().unwrap();
        queue.in_flight -= 1;
        if handled {
            *queue.receives.entry(delivery.receives).or_default() += 1;
        } else if delivery.receives >= self.consumer.max_receives {
            queue.dead_letters.push(delivery.order);
        } else {
            // The shortest pause that the consumer makes.
            let pause = retry_time(delivery.receives + 1) - retry_time(delivery.receives);
            let visible_at = Instant::now() + pause;
            queue.waiting.insert((visible_at, number), delivery);
        }
    }
}

fn reserved(number: usize, now: Timestamp) -> StockReserved {
    StockReserved {
        order_id: OrderId::derive(&[&number.to_be_bytes()]),
        user_id: UserId::derive(&[b"buyer"]),
        total: Amount::new(1_000).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        payment_method: "pm_card_visa".to_owned(),
        expires_at: now.plus(Duration::from_secs(900)),
    }
}

/// Sells 1,000 orders within 20 seconds through a provider that processes 25 requests a second.
#[tokio::test(start_paused = true)]
async fn a_sale_beyond_the_providers_limit_is_charged_in_full() {
    const ORDERS: usize = 1_000;
    let clock = VirtualClock(Instant::now());
    let simulator = Simulator {
        store: MemoryIntents::default(),
        key: KEY.to_owned(),
        rate_limit: 25,
        base: String::new(),
    };
    let provider =
        SimulatedProvider { simulator, clock, processed: Arc::default(), rejected: Arc::default() };
    let settings =
        [("payments/provider-url", URL.trim_end_matches('/')), ("payments/provider-key", KEY)];
    let settings = Arc::new(Settings::fixed(&settings));
    let connector = SharedHttpConnector::new(provider.clone());
    let store = MemoryPayments::default();
    let state = ChargeState {
        store: store.clone(),
        provider: HttpProvider::over(Arc::clone(&settings), connector),
        settings,
        clock: Arc::new(clock),
    };
    let mut queue = Queue::default();
    for number in 0..ORDERS {
        let reserved = reserved(number, clock.now());
        let event = Event::new(&reserved, 1, 0, clock.now(), &EventContext::default());
        let visible_at = clock.0 + Duration::from_millis(20 * u64::try_from(number).unwrap());
        let delivery = Delivery { event, order: reserved.order_id, receives: 0 };
        queue.waiting.insert((visible_at, number), delivery);
    }
    let consumer = Consumer::of_the_template();
    println!("{consumer:?}");
    let sale = Sale { consumer, state, queue: Mutex::new(queue) };
    join_all((0..sale.consumer.max_concurrency.min(ORDERS)).map(|_| sale.poll())).await;

    let queue = sale.queue.lock().unwrap();
    println!(
        "{ORDERS} orders in {:?}: {} requests processed, {} rejected; orders by receives: {:?}",
        clock.0.elapsed(),
        provider.processed.load(Ordering::Relaxed),
        provider.rejected.load(Ordering::Relaxed),
        queue.receives,
    );
    assert_eq!(queue.dead_letters, []);
    let mut captured: Vec<String> = store
        .published_events()
        .into_iter()
        .inspect(|event| assert_eq!(event.kind, "PaymentCaptured"))
        .map(|event| event.subject)
        .collect();
    captured.sort_unstable();
    captured.dedup();
    assert_eq!(captured.len(), ORDERS);
    assert_eq!(store.published_events().len(), ORDERS);
}
