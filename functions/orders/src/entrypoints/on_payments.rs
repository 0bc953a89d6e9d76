use crate::{
    adapters::dynamodb::DynamoOrders, application::hear_event::hear_event, domain::order::Effect,
};
use rialto_contracts::{Cause, Event, orders::CancelReason, payments::Payments};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    App,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("orders-on-payments", 10, build);
}

fn build(app: &App) -> sqs::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |event, cause| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &event, &cause).await })
    })
}

async fn handle(store: &DynamoOrders, event: &Event, cause: &Cause) -> Result<Outcome, Failure> {
    let (order, effect) = match Payments::decode(event)? {
        Payments::PaymentCaptured(captured) => (captured.order_id, Effect::Confirms),
        Payments::PaymentFailed(failed) => {
            (failed.order_id, Effect::Cancels(CancelReason::PaymentFailed))
        }
        Payments::RefundIssued(issued) => (issued.order_id, Effect::Told),
        Payments::RefundFailed(failed) => (failed.order_id, Effect::Told),
        Payments::Other => return Ok(Outcome::Ignored),
    };
    Ok(hear_event(store, order, event, effect, cause, SystemClock.now()).await?.into())
}
