use crate::{
    adapters::dynamodb::DynamoOrders,
    application::apply_event::apply_event,
    domain::{line_deliveries::DeliveryStep, order::Transition},
    ports::{FailedPaymentCounter, OrderWriter},
};
use rialto_contracts::delivery::Delivery;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("orders-on-delivery", 10, |app| sqs::handler(DynamoOrders::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(
    store: impl OrderWriter + FailedPaymentCounter,
    message: Message,
) -> Result<Outcome, Failure> {
    let (order, transition) = match Delivery::decode(&message.event)? {
        Delivery::DeliveryPrepared(prepared) => (prepared.order_id, Transition::RecordOnly),
        Delivery::DeliveryHeld(held) => (held.order_id, deliver(held.line_no, DeliveryStep::Held)),
        Delivery::DeliveryNotHeld(not_held) => {
            (not_held.order_id, deliver(not_held.line_no, DeliveryStep::NotHeld))
        }
        Delivery::DeliveryStarted(started) => {
            (started.order_id, deliver(started.line_no, DeliveryStep::Started))
        }
        Delivery::DeliveryCompleted(completed) => {
            let step = DeliveryStep::Completed { delivered_at: completed.delivered_at };
            (completed.order_id, deliver(completed.line_no, step))
        }
        Delivery::ReceiptConfirmed(received) => {
            let step = DeliveryStep::ReceiptConfirmed { delivered_at: received.delivered_at };
            (received.order_id, deliver(received.line_no, step))
        }
        Delivery::Other => return Ok(Outcome::Ignored),
    };
    let (context, now) = (message.event_context(), message.now());
    Ok(apply_event(&store, order, &message.event, transition, &context, now).await?.into())
}

const fn deliver(line_no: u32, step: DeliveryStep) -> Transition {
    Transition::Deliver { line_no, step }
}
