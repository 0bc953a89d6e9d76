use crate::{
    adapters::dynamodb::DynamoOrders,
    application::on_product_changed::{on_product_changed, on_product_registered},
    ports::ProductReplica,
};
use rialto_contracts::catalog::Catalog;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("orders-on-catalog", 10, |app| sqs::handler(DynamoOrders::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(store: impl ProductReplica, message: Message) -> Result<Outcome, Failure> {
    let sequence = message.event.sequence;
    let write = match Catalog::decode(&message.event)? {
        Catalog::ProductRegistered(registered) => {
            on_product_registered(&store, &registered, sequence).await?
        }
        Catalog::ProductChanged(changed) => on_product_changed(&store, &changed, sequence).await?,
        Catalog::Other => return Ok(Outcome::Ignored),
    };
    Ok(write.into())
}
