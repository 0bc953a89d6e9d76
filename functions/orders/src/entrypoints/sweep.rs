use crate::{adapters::dynamodb::DynamoOrders, application::sweep::sweep};
use rialto_contracts::Cause;
use rialto_kernel::{Clock, SystemClock, Timestamp};
use rialto_lambda::{App, boot, telemetry::Scope};
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

fn build(app: &App) -> boot::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |payload, _| {
        let store = store.clone();
        Box::pin(async move {
            let now = Wake::deserialize(payload)?.now.unwrap_or_else(|| SystemClock.now());
            let traceparent = Some(Scope::current().trace.traceparent());
            let swept = sweep(&store, now, &Cause { traceparent, ..Cause::default() }).await?;
            for (order, error) in &swept.failed {
                tracing::error!(%order, %error, "an order can't be settled yet");
            }
            Ok(
                json!({ "cancelled": swept.cancelled, "left": swept.left, "failed": swept.failed.len() }),
            )
        })
    })
}
