//! Asking another service's internal function, and answering as one.
//!
//! A call has a time limit and is tried twice; after several failures in a row a circuit breaker, one a warm instance and
//! service, refuses at once for a while. What then is done instead is the caller's to say.

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

/// What one try may take.
const LIMIT: Duration = Duration::from_millis(1_500);
const MAX_ATTEMPTS: u32 = 2;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// There is no answer for now: asked and failed, or not asked because it failed lately.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error("{0} didn't answer in time")]
    TooSlow(&'static str),
    #[error("{0} failed lately and isn't asked for a while")]
    Open(&'static str),
    #[error("the answer of {0} can't be read")]
    Unreadable(&'static str),
}

/// The internal function of one other service. Clones share connections and breaker.
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
            functions: LambdaClient::new(&app.aws, &app.stage, LIMIT),
            clock: Arc::clone(&app.clock),
            breaker: Arc::default(),
        }
    }

    /// # Errors
    /// [`Unanswered`], within twice the limit and a little.
    pub async fn call<Q: InternalRequest>(&self, question: Q) -> Result<Q::Response, CallError> {
        let scope = InvocationContext::current();
        let asked = RequestEnvelope::<Q::Requests> {
            question: question.into(),
            correlationid: scope.correlation_id.clone(),
            traceparent: Some(scope.trace.traceparent()),
        };
        let payload =
            serde_json::to_string(&asked).map_err(|_| CallError::Unreadable(Q::FUNCTION))?;
        let answer = self.call_with_breaker(Q::FUNCTION, &payload).await?;
        serde_json::from_value(answer).map_err(|_| CallError::Unreadable(Q::FUNCTION))
    }

    async fn call_with_breaker(
        &self,
        function: &'static str,
        payload: &str,
    ) -> Result<Value, CallError> {
        if !self.breaker().admits(self.clock.now()) {
            return Err(CallError::Open(function));
        }
        let answer = self.call_with_retry(function, payload).await;
        self.breaker().record(answer.is_ok(), self.clock.now());
        if let Err(error) = &answer {
            tracing::warn!(%error, peer = function, "a service doesn't answer");
        }
        answer
    }

    async fn call_with_retry(
        &self,
        function: &'static str,
        payload: &str,
    ) -> Result<Value, CallError> {
        let mut tries = 1;
        loop {
            let answer =
                tokio::time::timeout(LIMIT, self.functions.invoke(function, payload)).await;
            match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if tries == MAX_ATTEMPTS => return Err(error.into()),
                Err(_) if tries == MAX_ATTEMPTS => return Err(CallError::TooSlow(function)),
                _ => tries += 1,
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one question.
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

/// Serves an internal function. Only functions of the same stage may invoke it, by their roles.
pub fn answer<Q>(function: &'static str, build: fn(&FunctionContext) -> Handler<Q>)
where
    Q: DeserializeOwned + Send + 'static,
{
    boot::start(function, |app| {
        let handler = build(app);
        Ok(Box::pin(lambda_runtime::run(service_fn(
            move |event: LambdaEvent<RequestEnvelope<Q>>| {
                let handler = Arc::clone(&handler);
                async move {
                    let (asked, context) = (event.payload, event.context);
                    let trace = asked
                        .traceparent
                        .as_deref()
                        .and_then(Trace::child_of)
                        .unwrap_or_else(Trace::start);
                    let scope = InvocationContext {
                        request_id: context.request_id,
                        correlation_id: asked.correlationid,
                        trace,
                    };
                    scope.run_logged(function, handler(asked.question)).await
                }
            },
        ))))
    });
}

/// An answer as [`Handler`]s return it, of the type that the question promises.
///
/// # Errors
/// None that a serializable answer could cause.
pub fn reply<Q: InternalRequest>(_: &Q, answer: &Q::Response) -> Result<Value, Failure>
where
    Q::Response: Serialize,
{
    Ok(serde_json::to_value(answer)?)
}

#[cfg(test)]
mod tests;
