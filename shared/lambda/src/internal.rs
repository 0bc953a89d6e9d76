//! Client and server of internal service-to-service calls.
//!
//! A call has a time limit and is attempted twice. After several failures in a row a circuit
//! breaker (one per warm instance and service) fails calls at once for a while. The fallback is the
//! caller's choice.

use crate::{
    BoxFuture, FunctionContext,
    boot::{self, Failure},
    telemetry::{InvocationContext, Trace},
};
use breaker::Breaker;
use lambda_runtime::{LambdaEvent, service_fn};
use rialto_aws::{InvokeError, LambdaClient};
use rialto_contracts::internal::{InternalRequest, RequestEnvelope};
use rialto_kernel::Clock;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

mod breaker;

/// The time limit of one attempt.
const TIME_LIMIT: Duration = Duration::from_millis(1_500);
const MAX_ATTEMPTS: u32 = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A call failed, or wasn't made because the circuit is open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error("{0} timed out")]
    TooSlow(&'static str),
    #[error("circuit open for {0}")]
    Open(&'static str),
    #[error("invalid response from {0}")]
    Unreadable(&'static str),
}

/// A client of the internal function of one other service. Clones share connections and breaker.
#[derive(Clone)]
pub struct ServiceClient {
    functions: LambdaClient,
    clock: Arc<dyn Clock>,
    breaker: Arc<Mutex<Breaker>>,
}

impl ServiceClient {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        Self {
            functions: LambdaClient::new(&app.aws, &app.stage, TIME_LIMIT),
            clock: Arc::clone(&app.clock),
            breaker: Arc::default(),
        }
    }

    /// Calls the service.
    ///
    /// # Errors
    /// [`CallError`], within little more than twice the time limit.
    pub async fn call<Q: InternalRequest>(&self, request: Q) -> Result<Q::Response, CallError> {
        let scope = InvocationContext::current();
        let envelope = RequestEnvelope::<Q::Requests> {
            question: request.into(),
            correlationid: scope.correlation_id.clone(),
            traceparent: Some(scope.trace.traceparent()),
        };
        let payload =
            serde_json::to_string(&envelope).map_err(|_| CallError::Unreadable(Q::FUNCTION))?;
        let response = self.call_with_breaker(Q::FUNCTION, &payload).await?;
        serde_json::from_value(response).map_err(|_| CallError::Unreadable(Q::FUNCTION))
    }

    async fn call_with_breaker(
        &self,
        function: &'static str,
        payload: &str,
    ) -> Result<Value, CallError> {
        if !self.breaker().admits(self.clock.now()) {
            return Err(CallError::Open(function));
        }
        let response = self.call_with_retry(function, payload).await;
        self.breaker().record(response.is_ok(), self.clock.now());
        if let Err(error) = &response {
            tracing::warn!(%error, service = function, "service call failed");
        }
        response
    }

    async fn call_with_retry(
        &self,
        function: &'static str,
        payload: &str,
    ) -> Result<Value, CallError> {
        let mut attempt = 1;
        loop {
            let response =
                tokio::time::timeout(TIME_LIMIT, self.functions.invoke(function, payload)).await;
            match response {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) if attempt == MAX_ATTEMPTS => return Err(error.into()),
                Err(_) if attempt == MAX_ATTEMPTS => return Err(CallError::TooSlow(function)),
                _ => attempt += 1,
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handles one request.
pub type Handler<Q> = Arc<dyn Fn(Q) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// A handler that calls `handle` with a clone of `state` for each request.
pub fn handler<Q, S, H, F>(state: S, handle: H) -> Handler<Q>
where
    S: Clone + Send + Sync + 'static,
    H: Fn(S, Q) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(handle(state.clone(), request)))
}

/// Serves an internal function. Only functions of the same stage may invoke it, by their IAM roles.
pub fn serve<Q>(function: &'static str, build: fn(&FunctionContext) -> Handler<Q>)
where
    Q: DeserializeOwned + Send + 'static,
{
    boot::start(function, |app| {
        let handler = build(app);
        Ok(Box::pin(lambda_runtime::run(service_fn(
            move |event: LambdaEvent<RequestEnvelope<Q>>| {
                let handler = Arc::clone(&handler);
                async move {
                    let (envelope, context) = (event.payload, event.context);
                    let trace = envelope
                        .traceparent
                        .as_deref()
                        .and_then(Trace::child_of)
                        .unwrap_or_else(Trace::start);
                    let deadline = Some(boot::ends_at(&context));
                    let scope = InvocationContext {
                        request_id: context.request_id,
                        correlation_id: envelope.correlationid,
                        trace,
                        deadline,
                    };
                    scope.run_logged(function, handler(envelope.question)).await
                }
            },
        ))))
    });
}

/// Serialises the response to a request, as [`Handler`]s return it.
///
/// # Errors
/// If the response can't be written as JSON.
pub fn reply<Q: InternalRequest>(_: &Q, response: &Q::Response) -> Result<Value, Failure>
where
    Q::Response: Serialize,
{
    Ok(serde_json::to_value(response)?)
}

#[cfg(test)]
mod tests;
