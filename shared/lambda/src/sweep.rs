//! Sweeps: functions that a schedule invokes to finish what is overdue.

use crate::{
    FunctionContext,
    boot::{self, Failure},
    telemetry::InvocationContext,
};
use lambda_runtime::Context;
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// The payload of a sweep's invocation. The schedule's has no `now`; tests send one, as if that
/// were the time.
#[derive(Debug, Deserialize)]
struct Trigger {
    now: Option<Timestamp>,
}

/// One run of a sweep.
#[derive(Clone)]
pub struct SweepRun {
    /// Items that are due by this time are processed.
    pub now: Timestamp,
    ends_at: Timestamp,
    clock: Arc<dyn Clock>,
}

impl SweepRun {
    fn new(clock: &Arc<dyn Clock>, payload: Value, context: &Context) -> Result<Self, Failure> {
        let clock = Arc::clone(clock);
        let started = clock.now();
        let now = Trigger::deserialize(payload)?.now.unwrap_or(started);
        Ok(Self { now, ends_at: boot::deadline(context, started), clock })
    }

    /// The time that is left until Lambda ends the invocation.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.ends_at.since(self.clock.now())
    }

    /// The context of the events that the sweep's writes publish.
    #[must_use]
    pub fn event_context(&self) -> EventContext {
        let traceparent = Some(InvocationContext::current().trace.traceparent());
        EventContext { traceparent, ..EventContext::default() }
    }
}

/// A handler that calls `sweep` with a clone of `state` for each run. What `sweep` returns is
/// logged and returned to the invoker.
pub fn handler<S, H, F>(app: &FunctionContext, state: S, sweep: H) -> boot::Handler
where
    S: Clone + Send + Sync + 'static,
    H: Fn(S, SweepRun) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    let clock = Arc::clone(&app.clock);
    Arc::new(move |payload, context| match SweepRun::new(&clock, payload, &context) {
        Ok(run) => Box::pin(sweep(state.clone(), run)),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct FixedClock(Timestamp);

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn run(payload: Value) -> Result<SweepRun, Failure> {
        let now = Timestamp::parse("2026-11-21T09:30:00.000Z")?;
        let mut context = Context::default();
        context.deadline = u64::try_from(now.millis())? + 10_000;
        let clock: Arc<dyn Clock> = Arc::new(FixedClock(now));
        SweepRun::new(&clock, payload, &context)
    }

    #[test]
    fn a_sweep_goes_by_the_clock_or_the_time_in_its_payload() {
        let scheduled = run(json!({ "source": "aws.events" })).unwrap();
        assert_eq!(scheduled.now.to_string(), "2026-11-21T09:30:00.000Z");
        let later = run(json!({ "now": "2026-11-22T09:30:00.000Z" })).unwrap();
        assert_eq!(later.now.to_string(), "2026-11-22T09:30:00.000Z");
        assert_eq!(later.time_left(), Duration::from_secs(10));
        assert!(run(json!({ "now": "tomorrow" })).is_err());
    }
}
