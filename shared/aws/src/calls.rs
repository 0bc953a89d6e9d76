//! Counts the requests to a database that one piece of work makes, attempts that were repeated included.
//!
//! Every function logs the figure with each invocation, so that a budget such as "placing an order takes two" is
//! read where it is spent.

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

/// Runs `work` and tells how many requests it made.
pub async fn count_requests<T>(work: impl Future<Output = T>) -> (T, u32) {
    let calls = Arc::new(AtomicU32::new(0));
    let output = CALLS.scope(Arc::clone(&calls), work).await;
    (output, calls.load(Ordering::Relaxed))
}

/// Adds to the count of the work that is under way, for each attempt a client makes.
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
        // Outside `counted` there is nobody to tell.
        CALLS.try_with(|calls| calls.fetch_add(1, Ordering::Relaxed)).ok();
        Ok(())
    }
}
