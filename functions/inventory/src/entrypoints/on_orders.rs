use crate::{
    adapters::dynamodb::DynamoInventory,
    application::{
        on_order_cancelled::on_order_cancelled, on_order_confirmed::on_order_confirmed,
        on_order_placed::on_order_placed,
    },
    ports::Reservations,
};
use rialto_contracts::orders::Orders;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    // One at a time: orders of a batch often reserve the same product and would only conflict.
    sqs::consume("inventory-on-orders", 1, |app| sqs::handler(DynamoInventory::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(store: impl Reservations, message: Message) -> Result<Outcome, Failure> {
    let (context, now) = (message.event_context(), message.now());
    let write = match Orders::decode(&message.event)? {
        Orders::OrderPlaced(placed) => on_order_placed(&store, &placed, &context, now).await?,
        Orders::OrderConfirmed(confirmed) => {
            on_order_confirmed(&store, &confirmed, &context, now).await?
        }
        Orders::OrderCancelled(cancelled) => {
            on_order_cancelled(&store, &cancelled, &context, now).await?
        }
        Orders::Other => return Ok(Outcome::Ignored),
    };
    Ok(write.into())
}
