use crate::{
    adapters::dynamodb::DynamoOrders,
    application::on_user_unregistered::on_user_unregistered,
    ports::{OrderLister, OrderWriter, UnregisteredBuyers},
};
use rialto_contracts::accounts::Accounts;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("orders-on-accounts", 1, |app| sqs::handler(DynamoOrders::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(
    store: impl UnregisteredBuyers + OrderLister + OrderWriter,
    message: Message,
) -> Result<Outcome, Failure> {
    match Accounts::decode(&message.event)? {
        Accounts::UserUnregistered(unregistered) => {
            Ok(on_user_unregistered(&store, unregistered.user_id).await?.into())
        }
        Accounts::UserRegistered(_)
        | Accounts::UserLoggedIn(_)
        | Accounts::SellerRegistered(_)
        | Accounts::SellerUnregistered(_)
        | Accounts::Other => Ok(Outcome::Ignored),
    }
}
