use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::{
        compensate_line::{LineRefund, compensate_line},
        on_order_cancelled::on_order_cancelled,
    },
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::orders::{OrderLineReturned, Orders};
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
    (store, provider): (impl PaymentReader + PaymentWriter, impl Provider),
    message: Message,
) -> Result<Outcome, Failure> {
    let (context, now) = (message.event_context(), message.now());
    let line = match Orders::decode(&message.event)? {
        Orders::OrderCancelled(cancelled) => {
            let write = on_order_cancelled(&store, &provider, &cancelled, &context, now).await?;
            return Ok(write.into());
        }
        Orders::OrderLineRejected(rejected) => {
            LineRefund::new(rejected.order_id, rejected.line_no, rejected.share)
        }
        Orders::OrderLineCancelled(cancelled) => {
            LineRefund::new(cancelled.order_id, cancelled.line_no, cancelled.share)
        }
        Orders::OrderLineReturned(returned) => {
            let OrderLineReturned { order_id, line_no, share, refund, .. } = returned;
            LineRefund::new(order_id, line_no, refund.min(share))
        }
        _ => return Ok(Outcome::Ignored),
    };
    Ok(compensate_line(&store, &provider, &line, &context, now).await?.into())
}
