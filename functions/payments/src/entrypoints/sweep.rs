use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::sweep::sweep,
};
use rialto_lambda::{
    boot::{self, Failure},
    sweep::{self as sweeps, SweepRun},
};
use serde_json::Value;

pub fn main() {
    boot::run("payments-sweep", |app| {
        sweeps::handler(app, (DynamoPayments::open(app), HttpProvider::open(app)), handle)
    });
}

async fn handle(
    (store, provider): (DynamoPayments, HttpProvider),
    run: SweepRun,
) -> Result<Value, Failure> {
    let summary = sweep(&store, &provider, &run).await?;
    Ok(serde_json::to_value(summary)?)
}
