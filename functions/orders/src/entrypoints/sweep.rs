use crate::{adapters::dynamodb::DynamoOrders, application::sweep::sweep};
use rialto_lambda::{
    boot::{self, Failure},
    sweep::{self as sweeps, SweepRun},
};
use serde_json::Value;

pub fn main() {
    boot::run("orders-sweep", |app| sweeps::handler(app, DynamoOrders::open(app), handle));
}

async fn handle(store: DynamoOrders, run: SweepRun) -> Result<Value, Failure> {
    let summary = sweep(&store, &run, &run.event_context()).await?;
    Ok(serde_json::to_value(summary)?)
}
