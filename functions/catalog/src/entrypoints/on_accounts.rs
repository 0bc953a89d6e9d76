use crate::{
    adapters::dynamodb::DynamoCatalog,
    application::{
        on_seller_registered::on_seller_registered, on_seller_unregistered::on_seller_unregistered,
    },
};
use rialto_contracts::accounts::Accounts;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("catalog-on-accounts", 10, |app| sqs::handler(DynamoCatalog::open(app), handle));
}

async fn handle(store: DynamoCatalog, message: Message) -> Result<Outcome, Failure> {
    match Accounts::decode(&message.event)? {
        Accounts::SellerRegistered(registered) => {
            Ok(on_seller_registered(&store, &registered).await?.into())
        }
        Accounts::SellerUnregistered(unregistered) => {
            let (now, context) = (message.now(), message.event_context());
            Ok(on_seller_unregistered(&store, &unregistered, now, &context).await?.into())
        }
        Accounts::UserRegistered(_)
        | Accounts::UserUnregistered(_)
        | Accounts::UserLoggedIn(_)
        | Accounts::Other => Ok(Outcome::Ignored),
    }
}
