//! From `main` to the runtime's loop.

use crate::{App, BoxFuture, app::StartError, telemetry};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::Value;
use std::sync::Arc;

/// An invocation that failed as a whole: Lambda is told, and its caller decides whether to repeat it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Handles one invocation's payload.
pub type Handler = Arc<dyn Fn(Value, Context) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// Serves a function that takes an event and is neither a route nor a consumer of a queue.
pub fn run(function: &'static str, build: impl FnOnce(&App) -> Handler) {
    start(function, |app| Ok(serve_all(function, build(app))));
}

fn serve_all(function: &'static str, handler: Handler) -> Loop {
    Box::pin(lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let work = handler(event.payload, event.context.clone());
        telemetry::invocation(function, event.context, work)
    })))
}

/// The runtime's loop, which ends only when it can't go on.
pub(crate) type Loop = std::pin::Pin<Box<dyn Future<Output = Result<(), lambda_runtime::Error>>>>;

/// Starts one thread's worth of everything; a function that can't start says why and ends.
pub(crate) fn start(function: &'static str, build: impl FnOnce(&App) -> Result<Loop, StartError>) {
    telemetry::install(function);
    if let Err(error) = start_or_fail(function, build) {
        tracing::error!(error = %error, "the function can't start");
        std::process::exit(1);
    }
}

fn start_or_fail(
    function: &'static str,
    build: impl FnOnce(&App) -> Result<Loop, StartError>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = App::from_environment(function)?;
    let serving = build(&app)?;
    runtime.block_on(serving)
}
