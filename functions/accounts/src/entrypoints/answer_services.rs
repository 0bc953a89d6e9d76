use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::internal_api::{find_address, notification_email},
};
use rialto_contracts::internal::accounts::AccountsRequest;
use rialto_lambda::{
    boot::Failure,
    internal::{self, reply},
};
use serde_json::Value;

pub fn main() {
    internal::serve("accounts-answer-services", |app| {
        internal::handler(DynamoAccounts::open(app), handle)
    });
}

async fn handle(store: DynamoAccounts, request: AccountsRequest) -> Result<Value, Failure> {
    match request {
        AccountsRequest::GetAddress(request) => {
            let address = find_address(&store, request.user_id, request.address_id).await?;
            reply(&request, &address)
        }
        AccountsRequest::GetEmail(request) => {
            let email = notification_email(&store, request.account_id).await?;
            reply(&request, &email)
        }
    }
}
