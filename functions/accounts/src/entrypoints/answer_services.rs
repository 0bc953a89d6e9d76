use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::internal_api::{find_address, notification_email},
};
use rialto_contracts::internal::accounts::AccountsRequest;
use rialto_lambda::{
    FunctionContext,
    boot::Failure,
    internal::{self, reply},
};
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    internal::answer("accounts-answer-services", build);
}

fn build(app: &FunctionContext) -> internal::Handler<AccountsRequest> {
    let store = DynamoAccounts::open(app);
    Arc::new(move |question| {
        let store = store.clone();
        Box::pin(async move { handle(&store, question).await })
    })
}

async fn handle(store: &DynamoAccounts, question: AccountsRequest) -> Result<Value, Failure> {
    match question {
        AccountsRequest::GetAddress(asked) => {
            reply(&asked, &find_address(store, asked.user_id, asked.address_id).await?)
        }
        AccountsRequest::GetEmail(asked) => {
            reply(&asked, &notification_email(store, asked.account_id).await?)
        }
    }
}
