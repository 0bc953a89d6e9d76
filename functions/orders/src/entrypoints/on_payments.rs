use crate::{
    adapters::dynamodb::DynamoOrders, application::apply_event::apply_event,
    domain::order::Transition,
};
use rialto_contracts::{Event, EventContext, orders::CancelReason, payments::Payments};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("orders-on-payments", 10, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event, &message.event_context()).await })
    })
}

async fn handle(
    store: &DynamoOrders,
    event: &Event,
    cause: &EventContext,
) -> Result<Outcome, Failure> {
    let (order, effect) = match Payments::decode(event)? {
        Payments::PaymentCaptured(captured) => (captured.order_id, Transition::Confirm),
        Payments::PaymentFailed(failed) => {
            (failed.order_id, Transition::Cancel(CancelReason::PaymentFailed))
        }
        Payments::RefundIssued(issued) => (issued.order_id, Transition::RecordOnly),
        Payments::RefundFailed(failed) => (failed.order_id, Transition::RecordOnly),
        Payments::Other => return Ok(Outcome::Ignored),
    };
    Ok(apply_event(store, order, event, effect, cause, SystemClock.now()).await?.into())
}
