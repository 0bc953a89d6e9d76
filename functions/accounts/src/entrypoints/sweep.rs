use crate::{
    adapters::{dynamodb::DynamoAccounts, orders::LambdaOrdersClient},
    application::sweep::{ErasureSummary, sweep},
};
use rialto_lambda::{
    boot::{self, Failure},
    sweep::{self as sweeps, SweepRun},
};
use serde_json::{Value, json};

pub fn main() {
    boot::run("accounts-sweep", |app| {
        sweeps::handler(app, (DynamoAccounts::open(app), LambdaOrdersClient::new(app)), handle)
    });
}

async fn handle(
    (store, orders): (DynamoAccounts, LambdaOrdersClient),
    run: SweepRun,
) -> Result<Value, Failure> {
    let ErasureSummary { erased, waiting, skipped, failed } =
        sweep(&store, &orders, run.now).await?;
    for (account, error) in &failed {
        tracing::error!(%account, %error, "erasure postponed");
    }
    let failed = failed.len();
    Ok(json!({ "erased": erased, "waiting": waiting, "left": skipped, "failed": failed }))
}
