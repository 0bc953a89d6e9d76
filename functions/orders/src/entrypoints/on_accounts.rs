use crate::{
    adapters::dynamodb::DynamoOrders, application::on_user_unregistered::on_user_unregistered,
};
use rialto_contracts::{Event, accounts::Accounts};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("orders-on-accounts", 1, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event).await })
    })
}

async fn handle(store: &DynamoOrders, event: &Event) -> Result<Outcome, Failure> {
    match Accounts::decode(event)? {
        Accounts::UserUnregistered(gone) => {
            Ok(on_user_unregistered(store, gone.user_id).await?.into())
        }
        _ => Ok(Outcome::Ignored),
    }
}
