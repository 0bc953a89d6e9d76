use crate::{
    adapters::dynamodb::DynamoOrders,
    application::apply_event::apply_event,
    domain::order::Transition,
    ports::{FailedPaymentCounter, OrderWriter},
};
use rialto_contracts::{inventory::Inventory, orders::CancelReason};
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("orders-on-inventory", 10, |app| sqs::handler(DynamoOrders::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(
    store: impl OrderWriter + FailedPaymentCounter,
    message: Message,
) -> Result<Outcome, Failure> {
    let (order, transition) = match Inventory::decode(&message.event)? {
        Inventory::StockReserved(reserved) => (reserved.order_id, Transition::RecordOnly),
        Inventory::StockRejected(rejected) => {
            (rejected.order_id, Transition::Cancel(CancelReason::OutOfStock))
        }
        Inventory::StockReleased(released) => (released.order_id, Transition::RecordOnly),
        Inventory::StockDepleted(_) | Inventory::StockReplenished(_) | Inventory::Other => {
            return Ok(Outcome::Ignored);
        }
    };
    let (context, now) = (message.event_context(), message.now());
    Ok(apply_event(&store, order, &message.event, transition, &context, now).await?.into())
}
