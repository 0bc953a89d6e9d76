use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::sweep::sweep,
};
use rialto_kernel::{Clock, SystemClock, Timestamp};
use rialto_lambda::{FunctionContext, boot, telemetry::InvocationContext};
use serde::Deserialize;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// What a payment that was begun may still take; nothing is begun with less time left.
const RESERVE: Duration = Duration::from_secs(15);

pub fn main() {
    boot::run("payments-sweep", build);
}

/// What wakes the sweep: the schedule, or a test that brings a clock of its own.
#[derive(Debug, Deserialize)]
struct Wake {
    now: Option<Timestamp>,
}

fn build(app: &FunctionContext) -> boot::Handler {
    let (store, provider) = (DynamoPayments::open(app), HttpProvider::open(app));
    Arc::new(move |payload, context| {
        let (store, provider) = (store.clone(), provider.clone());
        Box::pin(async move {
            let now = Wake::deserialize(payload)?.now.unwrap_or_else(|| SystemClock.now());
            let deadline = boot::deadline(&context, SystemClock.now());
            let enough = || deadline.since(SystemClock.now()) < RESERVE;
            let traceparent = InvocationContext::current().trace.traceparent();
            let swept = sweep(&store, &provider, now, Some(&traceparent), enough).await?;
            for (order, error) in &swept.failed {
                tracing::error!(%order, %error, "a payment can't be settled yet");
            }
            Ok(
                json!({ "settled": swept.settled, "left": swept.skipped, "failed": swept.failed.len() }),
            )
        })
    })
}
