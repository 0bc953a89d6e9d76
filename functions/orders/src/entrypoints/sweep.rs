use crate::{adapters::dynamodb::DynamoOrders, application::sweep::sweep};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, SystemClock, Timestamp};
use rialto_lambda::{FunctionContext, boot, telemetry::InvocationContext};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

pub fn main() {
    boot::run("orders-sweep", build);
}

/// What wakes the sweep: the schedule, or a test that brings a clock of its own.
#[derive(Debug, Deserialize)]
struct Wake {
    now: Option<Timestamp>,
}

fn build(app: &FunctionContext) -> boot::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |payload, _| {
        let store = store.clone();
        Box::pin(async move {
            let now = Wake::deserialize(payload)?.now.unwrap_or_else(|| SystemClock.now());
            let traceparent = Some(InvocationContext::current().trace.traceparent());
            let swept =
                sweep(&store, now, &EventContext { traceparent, ..EventContext::default() })
                    .await?;
            for (order, error) in &swept.failed {
                tracing::error!(%order, %error, "an order can't be settled yet");
            }
            Ok(
                json!({ "cancelled": swept.cancelled, "left": swept.skipped, "failed": swept.failed.len() }),
            )
        })
    })
}
