use crate::{
    adapters::{dynamodb::DynamoAccounts, orders::Orders},
    application::sweep::sweep,
};
use rialto_kernel::{Clock, SystemClock, Timestamp};
use rialto_lambda::{App, boot};
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

fn build(app: &App) -> boot::Handler {
    let (store, orders) = (DynamoAccounts::open(app), Orders::new(app));
    Arc::new(move |payload, _| {
        let (store, orders) = (store.clone(), orders.clone());
        Box::pin(async move {
            let now = Wake::deserialize(payload)?.now.unwrap_or_else(|| SystemClock.now());
            let swept = sweep(&store, &orders, now).await?;
            Ok(json!({ "erased": swept.erased, "waiting": swept.waiting }))
        })
    })
}
