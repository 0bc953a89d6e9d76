//! Consuming events from a queue that EventBridge feeds.

use crate::{
    BoxFuture, FunctionContext, boot,
    telemetry::{InvocationContext, Trace, millis_since},
};
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use rialto_contracts::{Event, EventContext};
use rialto_kernel::{Clock, Timestamp, Write};
use serde::Deserialize;
use std::{
    pin::pin,
    sync::{
        Arc,
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

/// Handling failed. The queue delivers the message again, and moves it to its dead-letter queue
/// after the last receive.
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

/// The time reserved for reporting the failed messages.
const RESERVE: Duration = Duration::from_millis(500);

/// Handles the messages of a queue, `concurrency` of a batch at a time. Only the messages that
/// failed are delivered again.
pub fn consume(function: &'static str, concurrency: usize, build: fn(&FunctionContext) -> Handler) {
    boot::start(function, |app| {
        let consumer = Arc::new(Consumer { handler: build(app), clock: Arc::clone(&app.clock) });
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
}

async fn handle_batch(
    consumer: &Consumer,
    messages: Vec<SqsMessage>,
    context: &Context,
    concurrency: usize,
) -> Vec<BatchItemFailure> {
    let now = consumer.clock.now();
    let left = boot::deadline(context, now).since(now);
    let deadline = Instant::now() + left.saturating_sub(RESERVE);
    let limiter = FairShareLimiter {
        slots: Semaphore::new(concurrency),
        concurrency,
        waiting: AtomicUsize::new(messages.len()),
        deadline,
    };
    let handled = messages.into_iter().map(|message| {
        let id = message.message_id.clone().unwrap_or_default();
        let work = limiter.run(handle_message(consumer, message, context, deadline));
        async move {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            (!work.await).then_some(failure)
        }
    });
    join_all(handled).await.into_iter().flatten().collect()
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
    detail: Event,
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
    let event = match serde_json::from_str::<Delivery>(message.body.as_deref().unwrap_or_default())
    {
        Ok(delivery) => delivery.detail,
        Err(error) => {
            let scope = InvocationContext {
                request_id: context.request_id.clone(),
                ..InvocationContext::default()
            };
            let message_id = message.message_id.unwrap_or_default();
            scope
                .run(async {
                    tracing::error!(message_id, receives, %error, "message body isn't a valid event")
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
            let ms = millis_since(started);
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
    use rialto_contracts::orders::{CancelReason, OrderCancelled};
    use rialto_kernel::{OrderId, SystemClock, UserId};
    use std::sync::Mutex;

    fn message(id: &str, body: String) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
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
        serde_json::json!({"version": "0", "detail-type": "OrderCancelled", "detail": event})
            .to_string()
    }

    fn consumer(handler: Handler) -> Consumer {
        Consumer { handler, clock: Arc::new(SystemClock) }
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
        context.deadline -= 5_000 - 3_600;
        let failures = handle_batch(&consumer(handler), batch, &context, 1).await;
        assert!(failures.is_empty());
        let begun = begun.lock().unwrap();
        assert_eq!(begun[..2], [0, 100]);
        // Half of about three seconds.
        assert!((1_400..1_700).contains(&begun[2]), "{begun:?}");
    }
}
