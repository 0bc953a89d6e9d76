use crate::{
    adapters::{dynamodb::DynamoAccounts, orders::LambdaOrdersClient},
    application::sweep::sweep,
};
use rialto_lambda::{
    boot::{self, Failure},
    sweep::{self as sweeps, SweepRun},
};
use serde_json::Value;

pub fn main() {
    boot::run("accounts-sweep", |app| {
        sweeps::handler(app, (DynamoAccounts::open(app), LambdaOrdersClient::new(app)), handle)
    });
}

async fn handle(
    (store, orders): (DynamoAccounts, LambdaOrdersClient),
    run: SweepRun,
) -> Result<Value, Failure> {
    let summary = sweep(&store, &orders, &run).await?;
    Ok(serde_json::to_value(summary)?)
}
