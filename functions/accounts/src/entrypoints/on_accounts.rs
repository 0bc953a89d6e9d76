use crate::{
    adapters::dynamodb::DynamoAccounts, application::on_user_logged_in::on_user_logged_in,
};
use rialto_contracts::{Event, accounts::Accounts};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("accounts-on-accounts", 10, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event).await })
    })
}

async fn handle(store: &DynamoAccounts, event: &Event) -> Result<Outcome, Failure> {
    match Accounts::decode(event)? {
        Accounts::UserLoggedIn(logged_in) => Ok(on_user_logged_in(store, &logged_in).await?.into()),
        _ => Ok(Outcome::Ignored),
    }
}
