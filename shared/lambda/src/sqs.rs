//! Consuming events from a queue that EventBridge feeds.

use crate::{
    BoxFuture, FunctionContext, boot,
    telemetry::{InvocationContext, Trace, millis_between},
};
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::{join, join_all};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use rialto_aws::{QueueClient, QueueError};
use rialto_contracts::{Event, EventContext, owner_of};
use rialto_kernel::{Backoff, Clock, Timestamp, Write, backoff::random_below};
use serde::Deserialize;
use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

/// The outcome of handling an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Handled,
    /// Already handled, or out of date: nothing changed.
    Unchanged,
    /// The service doesn't use this event.
    Ignored,
}

impl From<Write> for Outcome {
    fn from(write: Write) -> Self {
        match write {
            Write::Done => Self::Handled,
            Write::Conflict(()) => Self::Unchanged,
        }
    }
}

/// Handling failed. The queue delivers the message again after [a pause](retry_time), and moves it to
/// its dead-letter queue after the last receive.
pub type Failure = boot::Failure;

/// A message of a queue: an event, with the time at which its handling began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub event: Event,
    received_at: Timestamp,
    traceparent: String,
}

impl Message {
    #[must_use]
    pub fn new(event: Event, received_at: Timestamp, trace: &Trace) -> Self {
        Self { event, received_at, traceparent: trace.traceparent() }
    }

    /// The time at which its handling began, by the application's clock.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.received_at
    }

    /// The context of the events that handling this one leads to.
    #[must_use]
    pub fn event_context(&self) -> EventContext {
        EventContext {
            correlationid: Some(self.event.correlationid.clone()),
            causationid: Some(self.event.id),
            traceparent: Some(self.traceparent.clone()),
        }
    }
}

/// Handles one message.
pub type Handler =
    Arc<dyn Fn(Message) -> BoxFuture<'static, Result<Outcome, Failure>> + Send + Sync>;

/// A handler that calls `handle` with a clone of `state` for each message.
pub fn handler<S, H, F>(state: S, handle: H) -> Handler
where
    S: Clone + Send + Sync + 'static,
    H: Fn(S, Message) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Outcome, Failure>> + Send + 'static,
{
    Arc::new(move |message| Box::pin(handle(state.clone(), message)))
}

/// The least pauses before a failed message is delivered again, by the number of its receives. With
/// the template's `maxReceiveCount` they add up to 108 minutes, so that what an outage of half an
/// hour leaves behind needs no redrive.
const RETRIES: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(120) };

/// The pause after a message was received this often. Up to half of it is random, so that what
/// failed together isn't repeated together.
fn retry_pause(receives: u32) -> Duration {
    let least = RETRIES.limit(receives);
    least + random_below(least / 2)
}

/// The time from the first to the last of this many receives of a message that fails at once: at
/// least this, at most half as long again.
#[must_use]
pub fn retry_time(receives: u32) -> Duration {
    (1..receives).map(|receives| RETRIES.limit(receives)).sum()
}

/// The time reserved for postponing and reporting the failed messages.
const RESERVE: Duration = Duration::from_secs(1);
/// The time limit of a request to the queue.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(800);
/// A message that was received this often, and is in the queue again, may be one that ends the
/// process, by a panic or by using up its memory. It is handled apart from the others of its batch.
const SUSPECT_RECEIVES: u32 = 3;

/// Handles the messages of a queue, `concurrency` of a batch at a time. Only the messages that
/// failed are delivered again.
pub fn consume(function: &'static str, concurrency: usize, build: fn(&FunctionContext) -> Handler) {
    boot::start(function, |app| {
        let consumer = Arc::new(Consumer {
            handler: build(app),
            clock: Arc::clone(&app.clock),
            queues: QueueClient::new(&app.aws),
        });
        Ok(Box::pin(lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
            let consumer = Arc::clone(&consumer);
            async move {
                let failures =
                    handle_batch(&consumer, event.payload.records, &event.context, concurrency)
                        .await;
                let mut response = SqsBatchResponse::default();
                response.batch_item_failures = failures;
                Ok::<_, std::convert::Infallible>(response)
            }
        }))))
    });
}

struct Consumer {
    handler: Handler,
    clock: Arc<dyn Clock>,
    queues: QueueClient,
}

/// What identifies a received message.
struct Receipt {
    message_id: String,
    queue_arn: String,
    handle: String,
    /// How often it was received, this time included.
    receives: u32,
}

impl Receipt {
    fn of(message: &SqsMessage) -> Self {
        let receives = message.attributes.get("ApproximateReceiveCount");
        Self {
            message_id: message.message_id.clone().unwrap_or_default(),
            queue_arn: message.event_source_arn.clone().unwrap_or_default(),
            handle: message.receipt_handle.clone().unwrap_or_default(),
            receives: receives.and_then(|text| text.parse().ok()).unwrap_or(1),
        }
    }
}

async fn handle_batch(
    consumer: &Consumer,
    messages: Vec<SqsMessage>,
    context: &Context,
    concurrency: usize,
) -> Vec<BatchItemFailure> {
    let now = consumer.clock.now();
    let left = boot::deadline(context, now).since(now).saturating_sub(RESERVE);
    let deadline = Instant::now() + left;
    let all = count(&messages);
    let (mut suspects, others): (Vec<_>, Vec<_>) = messages
        .into_iter()
        .map(|message| (Receipt::of(&message), message))
        .partition(|(receipt, _)| receipt.receives >= SUSPECT_RECEIVES);
    let batch = Batch { consumer, context, deadline, done: Mutex::default() };
    let share = left * count(&others) / all.max(1);
    let mut first = pin!(batch.handle(others, concurrency));
    suspects.sort_by_cached_key(|_| random_below(Duration::from_secs(1)));
    let last = batch.handle_apart(suspects);
    // Slow messages don't use up the time of the suspects.
    match timeout(share, &mut first).await {
        Ok(()) => last.await,
        Err(_) => {
            join(first, last).await;
        }
    }
    let failed = batch.settle().await;
    let failures = failed.into_iter().map(|receipt| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = receipt.message_id;
        failure
    });
    failures.collect()
}

fn count<T>(messages: &[T]) -> u32 {
    u32::try_from(messages.len()).unwrap_or(u32::MAX)
}

/// The messages of one invocation.
struct Batch<'a> {
    consumer: &'a Consumer,
    context: &'a Context,
    deadline: Instant,
    done: Mutex<Done>,
}

/// Messages that are neither deleted nor postponed yet.
#[derive(Default)]
struct Done {
    handled: Vec<Receipt>,
    failed: Vec<Receipt>,
    /// Failed, and postponed.
    postponed: Vec<Receipt>,
}

impl Batch<'_> {
    /// Handles messages, `concurrency` of them at a time.
    async fn handle(&self, messages: Vec<(Receipt, SqsMessage)>, concurrency: usize) {
        let limiter = FairShareLimiter::new(concurrency, messages.len(), self.deadline);
        join_all(messages.into_iter().map(|message| limiter.run(self.handle_one(message)))).await;
    }

    /// Handles messages one at a time, and first reports to the queue what is done, so that the
    /// one that ends the process takes only those along that haven't begun.
    async fn handle_apart(&self, messages: Vec<(Receipt, SqsMessage)>) {
        let limiter = FairShareLimiter::new(1, messages.len(), self.deadline);
        let one = |message| async {
            self.acknowledge().await;
            self.handle_one(message).await;
        };
        join_all(messages.into_iter().map(|message| limiter.run(one(message)))).await;
    }

    async fn handle_one(&self, (receipt, message): (Receipt, SqsMessage)) {
        let handled = handle_message(self.consumer, message, self.context, self.deadline).await;
        let mut done = self.done();
        if handled { &mut done.handled } else { &mut done.failed }.push(receipt);
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the messages that are handled, and postpones those that failed.
    async fn acknowledge(&self) {
        let handled = std::mem::take(&mut self.done().handled);
        join(self.consumer.delete(&handled, self.deadline), self.postpone(self.deadline)).await;
    }

    async fn postpone(&self, until: Instant) {
        let failed = std::mem::take(&mut self.done().failed);
        self.consumer.postpone(&failed, until).await;
        self.done().postponed.extend(failed);
    }

    /// Postpones the messages that failed, and returns all of them. Lambda deletes the others.
    async fn settle(&self) -> Vec<Receipt> {
        self.postpone(self.deadline + QUEUE_TIMEOUT).await;
        std::mem::take(&mut self.done().postponed)
    }
}

impl Consumer {
    /// Lets the queue deliver failed messages again after their pauses. Without it, as after a
    /// crash, they are delivered again after the queue's visibility timeout.
    async fn postpone(&self, failed: &[Receipt], until: Instant) {
        let Some(first) = failed.first() else { return };
        let pauses: Vec<_> = failed
            .iter()
            .map(|receipt| (receipt.handle.as_str(), retry_pause(receipt.receives).as_secs()))
            .collect();
        let request = self.queues.set_visibility(&first.queue_arn, &pauses);
        if let Err(error) = in_time(request, until).await {
            tracing::warn!(error, "failed messages come back after the visibility timeout");
        }
    }

    async fn delete(&self, handled: &[Receipt], until: Instant) {
        let Some(first) = handled.first() else { return };
        let handles: Vec<_> = handled.iter().map(|receipt| receipt.handle.as_str()).collect();
        let request = self.queues.delete(&first.queue_arn, &handles);
        if let Err(error) = in_time(request, until).await {
            tracing::warn!(error, "handled messages are deleted at the end of the batch only");
        }
    }
}

/// Waits for a request to the queue for a limited time, at most until this moment.
async fn in_time(
    request: impl Future<Output = Result<(), QueueError>>,
    until: Instant,
) -> Result<(), String> {
    match timeout_at(until.min(Instant::now() + QUEUE_TIMEOUT), request).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("no response in time".to_owned()),
    }
}

/// Limits the concurrency of work that has to end by a deadline. Work that exceeds its fair share
/// of the time continues without its slot, so that a slow message doesn't use up the time of the
/// others.
struct FairShareLimiter {
    slots: Semaphore,
    concurrency: usize,
    /// The number of those that haven't started.
    waiting: AtomicUsize,
    deadline: Instant,
}

impl FairShareLimiter {
    fn new(concurrency: usize, messages: usize, deadline: Instant) -> Self {
        let (slots, waiting) = (Semaphore::new(concurrency), AtomicUsize::new(messages));
        Self { slots, concurrency, waiting, deadline }
    }

    async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let slot = self.slots.acquire().await;
        let waiting = self.waiting.fetch_sub(1, Ordering::Relaxed);
        let rounds = u32::try_from(waiting.div_ceil(self.concurrency)).unwrap_or(u32::MAX);
        let share = self.deadline.saturating_duration_since(Instant::now()) / rounds.max(1);
        let mut work = pin!(work);
        match timeout(share, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                drop(slot);
                work.await
            }
        }
    }
}

/// EventBridge's envelope in the queue, as far as it is used.
#[derive(Deserialize)]
struct Delivery {
    /// EventBridge checks it against the permissions of the relay that sent the event.
    source: String,
    #[serde(rename = "detail-type")]
    kind: String,
    detail: Event,
}

impl Delivery {
    /// Whether the event comes from the source that its type belongs to. A type that this release
    /// doesn't know is ignored later.
    fn is_from_owner(&self) -> bool {
        let Event { source, kind, .. } = &self.detail;
        let owner = owner_of(kind).unwrap_or(source);
        *source == self.source && *kind == self.kind && source == owner
    }
}

/// Returns whether the message was handled.
async fn handle_message(
    consumer: &Consumer,
    message: SqsMessage,
    context: &Context,
    deadline: Instant,
) -> bool {
    let started = consumer.clock.now();
    let receives = message.attributes.get("ApproximateReceiveCount").cloned().unwrap_or_default();
    let body = message.body.as_deref().unwrap_or_default();
    let read = match serde_json::from_str::<Delivery>(body) {
        Ok(delivery) if delivery.is_from_owner() => Ok(delivery.detail),
        Ok(delivery) => Err(format!("{} doesn't own {}", delivery.source, delivery.detail.kind)),
        Err(error) => Err(error.to_string()),
    };
    let event = match read {
        Ok(event) => event,
        Err(error) => {
            let scope = InvocationContext {
                request_id: context.request_id.clone(),
                ..InvocationContext::default()
            };
            let message_id = message.message_id.unwrap_or_default();
            scope
                .run(async {
                    tracing::error!(message_id, receives, error, "message body isn't a valid event")
                })
                .await;
            return false;
        }
    };
    let trace = event.traceparent.as_deref().and_then(Trace::child_of).unwrap_or_else(Trace::start);
    let scope = InvocationContext {
        request_id: context.request_id.clone(),
        correlation_id: Some(event.correlationid.clone()),
        trace,
        deadline: Some(deadline),
    };
    let (kind, id) = (event.kind.clone(), event.id);
    let message = Message::new(event, started, &scope.trace);
    scope
        .run(async {
            let work = timeout_at(deadline, (consumer.handler)(message));
            let (result, calls) = rialto_aws::calls::count_requests(work).await;
            let ms = millis_between(started, consumer.clock.now());
            match result {
                Ok(Ok(outcome)) => {
                    tracing::info!(event = %id, kind, outcome = ?outcome, receives, ms, calls, "consumed");
                    true
                }
                Ok(Err(error)) => {
                    tracing::error!(event = %id, kind, receives, ms, calls, %error, "event failed");
                    false
                }
                Err(_) => {
                    tracing::error!(event = %id, kind, receives, ms, calls, "event timed out");
                    false
                }
            }
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_aws::emulator_config;
    use rialto_contracts::orders::{CancelReason, OrderCancelled};
    use rialto_kernel::{OrderId, SystemClock, UserId};
    use rialto_testkit::http::{SequenceStub, StubResponse, serve, serve_in_order};
    use serde_json::Value;

    const QUEUE: &str = "arn:aws:sqs:eu-central-1:123456789012:rialto-test-orders-on-payments";

    fn message(id: &str, body: String) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message.receipt_handle = Some(format!("receipt-{id}"));
        message.event_source_arn = Some(QUEUE.to_owned());
        message.body = Some(body);
        message
    }

    fn event(order: &str) -> String {
        let payload = OrderCancelled {
            order_id: OrderId::derive(&[order.as_bytes()]),
            user_id: UserId::derive(&[b"buyer"]),
            reason: CancelReason::Buyer,
        };
        let event = Event::new(&payload, 2, 0, Timestamp::from_millis(1), &EventContext::default());
        delivery(&event).to_string()
    }

    fn delivery(event: &Event) -> Value {
        serde_json::json!({
            "version": "0", "source": event.source, "detail-type": event.kind, "detail": event
        })
    }

    fn consumer(handler: Handler) -> Consumer {
        let url = serve(|_| Some(StubResponse::new(200, "{}")));
        consumer_of(handler, &url)
    }

    /// A consumer of the queue at this URL.
    fn consumer_of(handler: Handler, url: &str) -> Consumer {
        let queues = QueueClient::new(&emulator_config(url));
        Consumer { handler, clock: Arc::new(SystemClock), queues }
    }

    fn context() -> Context {
        let mut context = Context::default();
        context.deadline = u64::try_from(SystemClock.now().millis()).unwrap() + 5_000;
        context
    }

    async fn failed(handler: Handler, messages: Vec<SqsMessage>) -> Vec<String> {
        failed_with(handler, messages, 4).await
    }

    async fn failed_with(
        handler: Handler,
        messages: Vec<SqsMessage>,
        concurrency: usize,
    ) -> Vec<String> {
        let failures = handle_batch(&consumer(handler), messages, &context(), concurrency).await;
        failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[tokio::test]
    async fn unreadable_messages_fail_alone() {
        let handler: Handler = Arc::new(|_| Box::pin(async { Ok(Outcome::Handled) }));
        let batch = vec![
            message("1", event("a")),
            message("2", "no event".to_owned()),
            message("3", event("b")),
        ];
        assert_eq!(failed(handler, batch).await, ["2"]);
    }

    #[tokio::test]
    async fn events_of_other_sources_are_never_applied() {
        let applied = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&applied);
        let handler: Handler = Arc::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(Outcome::Handled) })
        });
        let changed = |path: &[&str], value: &str| {
            let mut delivery: Value = serde_json::from_str(&event("a")).unwrap();
            *path.iter().fold(&mut delivery, |part, name| &mut part[*name]) = Value::from(value);
            delivery
        };
        // OrderCancelled belongs to orders.
        let mut forged = changed(&["detail", "source"], "rialto.catalog");
        forged["source"] = Value::from("rialto.catalog");
        let mut unknown = changed(&["detail", "type"], "OrderLost");
        unknown["detail-type"] = Value::from("OrderLost");
        let batch = [
            forged,
            changed(&["source"], "rialto.catalog"),
            changed(&["detail", "source"], "rialto.catalog"),
            changed(&["detail-type"], "OrderPlaced"),
            unknown,
        ];
        let batch =
            batch.iter().zip(1..).map(|(body, id)| message(&format!("{id}"), body.to_string()));
        assert_eq!(failed(handler, batch.collect()).await, ["1", "2", "3", "4"]);
        assert_eq!(applied.load(Ordering::Relaxed), 1, "a new type is for the handler to ignore");
    }

    /// A queue with messages that were received before: their ids and receives. A batch that ends
    /// in a panic deletes only what was deleted before.
    async fn receive_until_empty(panics: &'static str, ids: &[&'static str]) -> Vec<(String, u32)> {
        let bad = OrderId::derive(&[panics.as_bytes()]).to_string();
        let handler: Handler = Arc::new(move |message| {
            assert!(message.event.subject != bad, "a panic, on purpose");
            Box::pin(async { Ok(Outcome::Handled) })
        });
        let deleted = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&deleted);
        let url = serve(move |request| {
            if request.header("x-amz-target") == Some("AmazonSQS.DeleteMessageBatch") {
                let body: Value = serde_json::from_str(&request.body).unwrap();
                let entries = body["Entries"].as_array().unwrap().iter();
                seen.lock().unwrap().extend(entries.map(|entry| entry["ReceiptHandle"].clone()));
            }
            Some(StubResponse::new(200, "{}"))
        });
        let mut queue: Vec<&str> = ids.to_vec();
        let mut lost = Vec::new();
        for receives in 1..=MAX_RECEIVES {
            let batch = queue.iter().map(|id| {
                let mut message = message(id, event(id));
                let name = "ApproximateReceiveCount".to_owned();
                message.attributes.insert(name, receives.to_string());
                message
            });
            let (batch, consumer) = (batch.collect(), consumer_of(Arc::clone(&handler), &url));
            let handled = tokio::spawn(async move {
                let failures = handle_batch(&consumer, batch, &context(), 10).await;
                failures.into_iter().map(|failure| failure.item_identifier).collect::<Vec<_>>()
            });
            match handled.await {
                Ok(failures) => queue.retain(|id| failures.iter().any(|failed| failed == id)),
                Err(_) => {
                    let deleted = deleted.lock().unwrap();
                    queue.retain(|id| !deleted.contains(&Value::from(format!("receipt-{id}"))));
                }
            }
            lost = queue.iter().map(|id| ((*id).to_owned(), receives)).collect();
        }
        lost
    }

    #[tokio::test]
    async fn a_message_that_panics_is_the_only_dead_letter() {
        let ids = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
        assert_eq!(receive_until_empty("4", &ids).await, [("4".to_owned(), MAX_RECEIVES)]);
        assert_eq!(receive_until_empty("none", &ids).await, []);
    }

    #[tokio::test]
    async fn failed_events_fail_alone() {
        let bad = OrderId::derive(&[b"bad"]).to_string();
        let handler: Handler = Arc::new(move |message| {
            let event = &message.event;
            assert_eq!(message.event_context().causationid, Some(event.id));
            let result = if event.subject == bad { Err("no".into()) } else { Ok(Outcome::Handled) };
            Box::pin(async { result })
        });
        let batch = vec![message("1", event("bad")), message("2", event("good"))];
        assert_eq!(failed(handler, batch).await, ["1"]);
    }

    /// A handler that fails for every event.
    fn failing() -> Handler {
        Arc::new(|_| Box::pin(async { Err("no".into()) }))
    }

    /// Handles a message that was received this often, and returns the stub's requests.
    async fn received(receives: &str, stub: SequenceStub) -> Vec<(String, Value)> {
        let mut message = message("1", event("a"));
        message.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_owned());
        let consumer = consumer_of(failing(), &stub.url);
        let failures = handle_batch(&consumer, vec![message], &context(), 1).await;
        assert_eq!(failures.len(), 1, "a message that isn't postponed is reported as well");
        let requests = stub.requests().into_iter().map(|request| {
            let target = request.header("x-amz-target").unwrap().to_owned();
            (target, serde_json::from_str(&request.body).unwrap())
        });
        requests.collect()
    }

    #[tokio::test]
    async fn failed_messages_are_postponed_by_their_receives() {
        for (receives, pauses) in [("1", 2..=3), ("3", 8..=12), ("60", 120..=180)] {
            let stub = serve_in_order(vec![StubResponse::new(200, "{}")]);
            let url = format!("{}/123456789012/rialto-test-orders-on-payments", stub.url);
            let requests = received(receives, stub).await;
            let [(target, body)] = requests.as_slice() else { panic!("{requests:?}") };
            assert_eq!(target, "AmazonSQS.ChangeMessageVisibilityBatch");
            assert_eq!(body["QueueUrl"], url);
            let [entry] = body["Entries"].as_array().unwrap().as_slice() else { panic!("{body}") };
            assert_eq!(entry["ReceiptHandle"], "receipt-1");
            let seconds = entry["VisibilityTimeout"].as_u64().unwrap();
            assert!(pauses.contains(&seconds), "{receives} receives: {seconds} s");
        }
    }

    /// The number of receives of each queue in the template.
    const MAX_RECEIVES: u32 = 60;

    #[test]
    fn half_an_hour_of_outage_needs_no_redrive() {
        const OUTAGE: Duration = Duration::from_secs(30 * 60);
        let mut longest = Duration::ZERO;
        // A message for each second of the outage, in virtual time. Attempts fail at once.
        for second in 0..OUTAGE.as_secs() {
            let (mut at, mut receives) = (Duration::from_secs(second), 1);
            while at < OUTAGE {
                at += Duration::from_secs(retry_pause(receives).as_secs());
                receives += 1;
            }
            assert!(receives <= MAX_RECEIVES, "the event of second {second} needs a redrive");
            longest = longest.max(at - OUTAGE);
        }
        assert!(longest <= Duration::from_secs(180), "handled {longest:?} after the outage");
    }

    #[tokio::test]
    async fn messages_that_cant_be_postponed_are_reported() {
        let refused = r#"{"Failed":[{"Id":"0","Code":"ReceiptHandleIsInvalid"}]}"#;
        let stub = serve_in_order(vec![StubResponse::new(200, refused)]);
        assert_eq!(received("1", stub).await.len(), 1);
    }

    #[tokio::test]
    async fn handled_messages_are_not_postponed() {
        let handler: Handler = Arc::new(|_| Box::pin(async { Ok(Outcome::Handled) }));
        let stub = serve_in_order(Vec::new());
        let consumer = consumer_of(handler, &stub.url);
        let batch = vec![message("1", event("a"))];
        assert!(handle_batch(&consumer, batch, &context(), 1).await.is_empty());
        assert!(stub.requests().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_events_fail_alone_and_in_time() {
        let slow = OrderId::derive(&[b"slow"]).to_string();
        let handler: Handler = Arc::new(move |message| {
            let slow = message.event.subject == slow;
            Box::pin(async move {
                if slow {
                    std::future::pending::<()>().await;
                }
                Ok(Outcome::Handled)
            })
        });
        let mut batch = vec![message("1", event("slow"))];
        batch.extend((2..=10).map(|at| message(&at.to_string(), event("quick"))));
        // One after the other, too.
        for concurrency in [4, 1] {
            assert_eq!(
                failed_with(Arc::clone(&handler), batch.clone(), concurrency).await,
                ["1"],
                "{concurrency}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_in_time_if_the_queue_is_silent() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let bad: Vec<_> =
            (0..5).map(|id| OrderId::derive(&[format!("{id}").as_bytes()]).to_string()).collect();
        let start = Instant::now();
        // All end together, shortly before the deadline, and half of them fail.
        let handler: Handler = Arc::new(move |message| {
            let failed = bad.contains(&message.event.subject);
            Box::pin(async move {
                tokio::time::sleep_until(start + Duration::from_millis(3_500)).await;
                if failed { Err("no".into()) } else { Ok(Outcome::Handled) }
            })
        });
        let batch = (0..10).map(|id| {
            let id = id.to_string();
            let mut message = message(&id, event(&id));
            let receives = SUSPECT_RECEIVES.to_string();
            message.attributes.insert("ApproximateReceiveCount".to_owned(), receives);
            message
        });
        let consumer = consumer_of(handler, &url);
        let failures = handle_batch(&consumer, batch.collect(), &context(), 10).await;
        assert!(failures.len() >= 5, "{failures:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn work_starts_after_a_slot_is_free_or_overdue() {
        let begun = Arc::new(Mutex::new(Vec::new()));
        let (start, order) = (Instant::now(), Arc::clone(&begun));
        let slow = OrderId::derive(&[b"slow"]).to_string();
        let handler: Handler = Arc::new(move |message| {
            order.lock().unwrap().push(start.elapsed().as_millis());
            let takes = if message.event.subject == slow { 2_000 } else { 100 };
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(takes)).await;
                Ok(Outcome::Handled)
            })
        });
        let batch = vec![
            message("1", event("quick")),
            message("2", event("slow")),
            message("3", event("quick")),
        ];
        let mut context = context();
        context.deadline -= 5_000 - 4_100;
        let failures = handle_batch(&consumer(handler), batch, &context, 1).await;
        assert!(failures.is_empty());
        let begun = begun.lock().unwrap();
        assert_eq!(begun[..2], [0, 100]);
        // Half of about three seconds.
        assert!((1_400..1_700).contains(&begun[2]), "{begun:?}");
    }
}
