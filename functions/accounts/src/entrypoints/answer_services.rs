use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::answer_services::{address_of, mail_of},
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
            reply(&asked, &address_of(store, asked.user_id, asked.address_id).await?)
        }
        AccountsRequest::GetEmail(asked) => reply(&asked, &mail_of(store, asked.account_id).await?),
    }
}
