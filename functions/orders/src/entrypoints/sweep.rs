use crate::{
    adapters::dynamodb::DynamoOrders,
    application::sweep::{SweepSummary, sweep},
};
use rialto_lambda::{
    boot::{self, Failure},
    sweep::{self as sweeps, SweepRun},
};
use serde_json::{Value, json};

pub fn main() {
    boot::run("orders-sweep", |app| sweeps::handler(app, DynamoOrders::open(app), handle));
}

async fn handle(store: DynamoOrders, run: SweepRun) -> Result<Value, Failure> {
    let SweepSummary { cancelled, skipped, failed } =
        sweep(&store, run.now, &run.event_context()).await?;
    for (order, error) in &failed {
        tracing::error!(%order, %error, "expired order not cancelled; the next sweep retries");
    }
    Ok(json!({ "cancelled": cancelled, "left": skipped, "failed": failed.len() }))
}
