use crate::{
    adapters::dynamodb::DynamoInventory, application::on_product_registered::on_product_registered,
};
use rialto_contracts::catalog::Catalog;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("inventory-on-catalog", 10, |app| {
        sqs::handler(DynamoInventory::open(app), handle)
    });
}

async fn handle(store: DynamoInventory, message: Message) -> Result<Outcome, Failure> {
    match Catalog::decode(&message.event)? {
        Catalog::ProductRegistered(registered) => {
            Ok(on_product_registered(&store, &registered, message.now()).await?.into())
        }
        Catalog::ProductChanged(_) | Catalog::Other => Ok(Outcome::Ignored),
    }
}
