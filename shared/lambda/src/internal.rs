//! Asking another service's internal function, and answering as one.
//!
//! A call has a time limit and is tried twice; after several failures in a row a circuit breaker, one a warm instance and
//! service, refuses at once for a while. What then is done instead is the caller's to say.

use crate::{
    App, BoxFuture,
    boot::{self, Failure},
    telemetry::{Scope, Trace},
};
use breaker::Breaker;
use lambda_runtime::{LambdaEvent, service_fn};
use rialto_aws::{Functions, InvokeError};
use rialto_contracts::internal::{Asked, Question};
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
const TRIES: u32 = 2;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// There is no answer for now: asked and failed, or not asked because it failed lately.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
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
pub struct Peer {
    functions: Functions,
    clock: Arc<dyn Clock>,
    breaker: Arc<Mutex<Breaker>>,
}

impl Peer {
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self {
            functions: Functions::new(&app.aws, &app.stage, LIMIT),
            clock: Arc::clone(&app.clock),
            breaker: Arc::default(),
        }
    }

    /// # Errors
    /// [`Unanswered`], within twice the limit and a little.
    pub async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Unanswered> {
        let scope = Scope::current();
        let asked = Asked::<Q::Questions> {
            question: question.into(),
            correlationid: scope.correlation_id.clone(),
            traceparent: Some(scope.trace.traceparent()),
        };
        let payload =
            serde_json::to_string(&asked).map_err(|_| Unanswered::Unreadable(Q::FUNCTION))?;
        let answer = self.ask_guarded(Q::FUNCTION, &payload).await?;
        serde_json::from_value(answer).map_err(|_| Unanswered::Unreadable(Q::FUNCTION))
    }

    async fn ask_guarded(
        &self,
        function: &'static str,
        payload: &str,
    ) -> Result<Value, Unanswered> {
        if !self.breaker().admits(self.clock.now()) {
            return Err(Unanswered::Open(function));
        }
        let answer = self.ask_twice(function, payload).await;
        self.breaker().record(answer.is_ok(), self.clock.now());
        if let Err(error) = &answer {
            tracing::warn!(%error, peer = function, "a service doesn't answer");
        }
        answer
    }

    async fn ask_twice(&self, function: &'static str, payload: &str) -> Result<Value, Unanswered> {
        let mut tries = 1;
        loop {
            let answer =
                tokio::time::timeout(LIMIT, self.functions.invoke(function, payload)).await;
            match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if tries == TRIES => return Err(error.into()),
                Err(_) if tries == TRIES => return Err(Unanswered::TooSlow(function)),
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

/// Serves an internal function. Only functions of the same stage may invoke it, by their roles.
pub fn answer<Q>(function: &'static str, build: fn(&App) -> Handler<Q>)
where
    Q: DeserializeOwned + Send + 'static,
{
    boot::start(function, |app| {
        let handler = build(app);
        Ok(Box::pin(lambda_runtime::run(service_fn(move |event: LambdaEvent<Asked<Q>>| {
            let handler = Arc::clone(&handler);
            async move {
                let (asked, context) = (event.payload, event.context);
                let trace = asked
                    .traceparent
                    .as_deref()
                    .and_then(Trace::below)
                    .unwrap_or_else(Trace::start);
                let scope = Scope {
                    request_id: context.request_id,
                    correlation_id: asked.correlationid,
                    trace,
                };
                scope.work(function, handler(asked.question)).await
            }
        }))))
    });
}

/// An answer as [`Handler`]s return it, of the type that the question promises.
///
/// # Errors
/// None that a serializable answer could cause.
pub fn reply<Q: Question>(_: &Q, answer: &Q::Answer) -> Result<Value, Failure>
where
    Q::Answer: Serialize,
{
    Ok(serde_json::to_value(answer)?)
}

#[cfg(test)]
mod tests;
