use crate::{
    adapters::{dynamodb::DynamoAccounts, orders::Orders},
    application::sweep::{ErasureSummary, sweep},
};
use rialto_kernel::{Clock, SystemClock, Timestamp};
use rialto_lambda::{FunctionContext, boot};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

pub fn main() {
    boot::run("accounts-sweep", build);
}

/// What wakes the sweep: the schedule, or a test that brings a clock of its own.
#[derive(Debug, Deserialize)]
struct Wake {
    now: Option<Timestamp>,
}

fn build(app: &FunctionContext) -> boot::Handler {
    let (store, orders) = (DynamoAccounts::open(app), Orders::new(app));
    Arc::new(move |payload, _| {
        let (store, orders) = (store.clone(), orders.clone());
        Box::pin(async move {
            let now = Wake::deserialize(payload)?.now.unwrap_or_else(|| SystemClock.now());
            let swept = sweep(&store, &orders, now).await?;
            for (account, error) in &swept.failed {
                tracing::error!(%account, %error, "an account can't be erased yet");
            }
            let failed = swept.failed.len();
            let ErasureSummary { erased, waiting, skipped: left, .. } = swept;
            Ok(json!({ "erased": erased, "waiting": waiting, "left": left, "failed": failed }))
        })
    })
}
