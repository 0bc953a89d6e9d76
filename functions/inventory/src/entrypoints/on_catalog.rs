use crate::{
    adapters::dynamodb::DynamoInventory, application::on_product_registered::on_product_registered,
    ports::StockInitializer,
};
use rialto_contracts::catalog::Catalog;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("inventory-on-catalog", 10, |app| {
        sqs::handler(DynamoInventory::open(app), handle)
    });
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(store: impl StockInitializer, message: Message) -> Result<Outcome, Failure> {
    match Catalog::decode(&message.event)? {
        Catalog::ProductRegistered(registered) => {
            Ok(on_product_registered(&store, &registered, message.now()).await?.into())
        }
        Catalog::ProductChanged(_) | Catalog::Other => Ok(Outcome::Ignored),
    }
}
