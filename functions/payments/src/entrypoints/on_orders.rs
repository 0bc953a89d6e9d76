use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::on_order_cancelled::on_order_cancelled,
    ports::{PaymentWriter, Provider},
};
use rialto_contracts::orders::Orders;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("payments-on-orders", 10, |app| {
        sqs::handler((DynamoPayments::open(app), HttpProvider::open(app)), handle)
    });
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(
    (store, provider): (impl PaymentWriter, impl Provider),
    message: Message,
) -> Result<Outcome, Failure> {
    match Orders::decode(&message.event)? {
        Orders::OrderCancelled(cancelled) => {
            let (context, now) = (message.event_context(), message.now());
            Ok(on_order_cancelled(&store, &provider, &cancelled, &context, now).await?.into())
        }
        Orders::OrderPlaced(_) | Orders::OrderConfirmed(_) | Orders::Other => Ok(Outcome::Ignored),
    }
}
