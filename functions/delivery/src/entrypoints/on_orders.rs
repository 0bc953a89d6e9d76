use crate::{
    adapters::dynamodb::DynamoDelivery,
    application::{
        on_line_changed::on_line_changed, on_order_cancelled::on_order_cancelled,
        on_order_confirmed::on_order_confirmed,
    },
    domain::{
        draft::WriteContext,
        line_change::{LineChange, LineChangeKind},
    },
    ports::DeliveryWriter,
};
use rialto_contracts::orders::Orders;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("delivery-on-orders", 10, |app| sqs::handler(DynamoDelivery::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(store: impl DeliveryWriter, message: Message) -> Result<Outcome, Failure> {
    let write = WriteContext { now: message.now(), cause: message.event_context() };
    let (line, kind) = match Orders::decode(&message.event)? {
        Orders::OrderConfirmed(order) => {
            return Ok(on_order_confirmed(&store, &order, &write).await?.into());
        }
        Orders::OrderCancelled(order) => {
            return Ok(on_order_cancelled(&store, &order, write.now).await?.into());
        }
        Orders::OrderLineAccepted(event) => (event.line(), LineChangeKind::Accepted),
        Orders::OrderLineRejected(event) => (event.line(), LineChangeKind::Rejected),
        Orders::OrderLineCancelRequested(event) => (event.line(), LineChangeKind::CancelRequested),
        Orders::OrderLineCancelled(event) => (event.line(), LineChangeKind::Cancelled),
        Orders::OrderLineCancelRefused(event) => (event.line(), LineChangeKind::Split),
        Orders::OrderLineSplit(event) => (event.line(), LineChangeKind::Split),
        _ => return Ok(Outcome::Ignored),
    };
    let change = LineChange::new(message.event.id, line, kind);
    Ok(on_line_changed(&store, &change, &write).await?.into())
}
