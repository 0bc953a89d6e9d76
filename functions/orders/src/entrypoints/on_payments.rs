use crate::{
    adapters::dynamodb::DynamoOrders,
    application::apply_event::apply_event,
    domain::order::Transition,
    ports::{FailedPaymentCounter, OrderWriter},
};
use rialto_contracts::{
    orders::CancelReason,
    payments::{PaymentFailed, Payments},
};
use rialto_kernel::PlantedBug;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("orders-on-payments", 10, |app| sqs::handler(DynamoOrders::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(
    store: impl OrderWriter + FailedPaymentCounter,
    message: Message,
) -> Result<Outcome, Failure> {
    let (order, transition) = match Payments::decode(&message.event)? {
        Payments::PaymentCaptured(captured) => (captured.order_id, Transition::Confirm),
        Payments::PaymentFailed(failed) => (failed.order_id, failed_payment(&failed)),
        Payments::PaymentActionRequired(required) => (required.order_id, Transition::RecordOnly),
        Payments::DisputeOpened(opened) => (opened.order_id, Transition::RecordOnly),
        Payments::DisputeClosed(closed) => (closed.order_id, Transition::RecordOnly),
        Payments::RefundIssued(issued) => (issued.order_id, Transition::RecordOnly),
        Payments::RefundFailed(failed) => (failed.order_id, Transition::RecordOnly),
        Payments::Other => return Ok(Outcome::Ignored),
    };
    let (context, now) = (message.event_context(), message.now());
    match apply_event(&store, order, &message.event, transition, &context, now).await {
        Err(_) if PlantedBug::FailureAcknowledged.is_planted() => Ok(Outcome::Ignored),
        applied => Ok(applied?.into()),
    }
}

/// Only the last failed attempt cancels the order.
fn failed_payment(failed: &PaymentFailed) -> Transition {
    match failed.reason.as_str() {
        _ if failed.retry_until.is_some() => Transition::RecordOnly,
        "expired" => Transition::Cancel(CancelReason::Timeout),
        _ => Transition::Cancel(CancelReason::PaymentFailed),
    }
}
