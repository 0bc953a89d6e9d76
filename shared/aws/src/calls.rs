//! Counts the requests to DynamoDB during an invocation, retries included. Every function logs the
//! number with each invocation, so that budgets such as "placing an order takes two" can be
//! verified.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::BeforeTransmitInterceptorContextRef, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

tokio::task_local! {
    static CALLS: Arc<AtomicU32>;
}

/// Runs `work` and returns its result and the number of its requests.
pub async fn count_requests<T>(work: impl Future<Output = T>) -> (T, u32) {
    let calls = Arc::new(AtomicU32::new(0));
    let output = CALLS.scope(Arc::clone(&calls), work).await;
    (output, calls.load(Ordering::Relaxed))
}

/// Counts each attempt of a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountCalls;

#[dyn_dispatch_hint]
impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Outside of `count_requests` nothing is counted.
        CALLS.try_with(|calls| calls.fetch_add(1, Ordering::Relaxed)).ok();
        Ok(())
    }
}
