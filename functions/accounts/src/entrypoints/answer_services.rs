use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::answer_services::{address_of, mail_of},
};
use rialto_contracts::internal::accounts::Questions;
use rialto_lambda::{
    App,
    boot::Failure,
    internal::{self, reply},
};
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    internal::answer("accounts-answer-services", build);
}

fn build(app: &App) -> internal::Handler<Questions> {
    let store = DynamoAccounts::open(app);
    Arc::new(move |question| {
        let store = store.clone();
        Box::pin(async move { handle(&store, question).await })
    })
}

async fn handle(store: &DynamoAccounts, question: Questions) -> Result<Value, Failure> {
    match question {
        Questions::AddressOf(asked) => {
            reply(&asked, &address_of(store, asked.user_id, asked.address_id).await?)
        }
        Questions::MailOf(asked) => reply(&asked, &mail_of(store, asked.account_id).await?),
    }
}
