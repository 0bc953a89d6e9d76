use crate::{
    adapters::dynamodb::DynamoAccounts, application::on_user_logged_in::on_user_logged_in,
};
use rialto_contracts::accounts::Accounts;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("accounts-on-accounts", 10, |app| sqs::handler(DynamoAccounts::open(app), handle));
}

async fn handle(store: DynamoAccounts, message: Message) -> Result<Outcome, Failure> {
    match Accounts::decode(&message.event)? {
        Accounts::UserLoggedIn(logged_in) => {
            Ok(on_user_logged_in(&store, &logged_in).await?.into())
        }
        Accounts::UserRegistered(_)
        | Accounts::UserUnregistered(_)
        | Accounts::SellerRegistered(_)
        | Accounts::SellerUnregistered(_)
        | Accounts::Other => Ok(Outcome::Ignored),
    }
}
