use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::sweep::{SweepSummary, sweep},
};
use rialto_lambda::{
    boot::{self, Failure},
    sweep::{self as sweeps, SweepRun},
};
use serde_json::{Value, json};
use std::time::Duration;

/// The time that settling one payment may take; no payment is started with less time left.
const RESERVE: Duration = Duration::from_secs(15);

pub fn main() {
    boot::run("payments-sweep", |app| {
        sweeps::handler(app, (DynamoPayments::open(app), HttpProvider::open(app)), handle)
    });
}

async fn handle(
    (store, provider): (DynamoPayments, HttpProvider),
    run: SweepRun,
) -> Result<Value, Failure> {
    let traceparent = run.event_context().traceparent;
    let out_of_time = || run.time_left() < RESERVE;
    let SweepSummary { settled, skipped, failed } =
        sweep(&store, &provider, run.now, traceparent.as_deref(), out_of_time).await?;
    for (order, error) in &failed {
        tracing::error!(%order, %error, "payment not settled; the next sweep retries");
    }
    Ok(json!({ "settled": settled, "left": skipped, "failed": failed.len() }))
}
