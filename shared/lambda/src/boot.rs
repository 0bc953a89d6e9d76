//! Starting a function and running the runtime's loop.

use crate::{BoxFuture, FunctionContext, app::StartError, telemetry};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use rialto_kernel::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The failure of an invocation: Lambda reports it, and the invoker decides whether to retry.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Handles one invocation's payload.
pub type Handler =
    Arc<dyn Fn(Value, Context) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// A handler that calls `handle` with a clone of `state` for each invocation.
pub fn handler<S, H, F>(state: S, handle: H) -> Handler
where
    S: Clone + Send + Sync + 'static,
    H: Fn(S, Value, Context) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    Arc::new(move |payload, context| Box::pin(handle(state.clone(), payload, context)))
}

/// Serves a function that is neither a route nor a queue consumer.
pub fn run(function: &'static str, build: impl FnOnce(&FunctionContext) -> Handler) {
    start(function, |app| Ok(serve_all(function, build(app))));
}

fn serve_all(function: &'static str, handler: Handler) -> Loop {
    Box::pin(lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let work = handler(event.payload, event.context.clone());
        telemetry::invocation(function, event.context, work)
    })))
}

/// The runtime's loop, which only ends on a fatal error.
pub(crate) type Loop = std::pin::Pin<Box<dyn Future<Output = Result<(), lambda_runtime::Error>>>>;

/// Starts a single-threaded runtime. A function that can't start logs the reason and exits.
pub(crate) fn start(
    function: &'static str,
    build: impl FnOnce(&FunctionContext) -> Result<Loop, StartError>,
) {
    telemetry::install(function);
    if let Err(error) = start_or_fail(function, build) {
        tracing::error!(error = %error, "function can't start");
        std::process::exit(1);
    }
}

fn start_or_fail(
    function: &'static str,
    build: impl FnOnce(&FunctionContext) -> Result<Loop, StartError>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = FunctionContext::from_environment(function)?;
    let serving = build(&app)?;
    runtime.block_on(serving)
}

/// The longest invocation that Lambda allows.
const MAX_DURATION_MS: u64 = 15 * 60 * 1000;

/// The time at which Lambda ends the current invocation. `cargo lambda watch` sends a duration
/// instead of a time of day; it counts from `now`.
#[must_use]
pub fn deadline(context: &Context, now: Timestamp) -> Timestamp {
    if context.deadline <= MAX_DURATION_MS {
        return now.plus(Duration::from_millis(context.deadline));
    }
    Timestamp::from_millis(i64::try_from(context.deadline).unwrap_or(i64::MAX))
}

/// The time at which Lambda ends the current invocation, for timers.
pub(crate) fn ends_at(context: &Context) -> Instant {
    let now = SystemClock.now();
    Instant::now() + deadline(context, now).since(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_or_a_duration() {
        let now = Timestamp::parse("2026-11-21T09:30:00.000Z").unwrap();
        let deadline = |millis: i64| {
            let mut context = Context::default();
            context.deadline = u64::try_from(millis).unwrap();
            deadline(&context, now)
        };
        assert_eq!(deadline(now.millis() + 10_000), now.plus(Duration::from_secs(10)));
        assert_eq!(deadline(now.millis() - 10_000).since(now), Duration::ZERO);
        assert_eq!(deadline(600_000), now.plus(Duration::from_secs(600)));
    }
}
