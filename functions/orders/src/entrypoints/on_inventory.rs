use crate::{
    adapters::dynamodb::DynamoOrders, application::apply_event::apply_event,
    domain::order::Transition,
};
use rialto_contracts::{Event, EventContext, inventory::Inventory, orders::CancelReason};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("orders-on-inventory", 10, build);
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
    let (order, effect) = match Inventory::decode(event)? {
        Inventory::StockReserved(reserved) => (reserved.order_id, Transition::RecordOnly),
        Inventory::StockRejected(rejected) => {
            (rejected.order_id, Transition::Cancel(CancelReason::OutOfStock))
        }
        Inventory::StockReleased(released) => (released.order_id, Transition::RecordOnly),
        Inventory::StockDepleted(_) | Inventory::StockReplenished(_) | Inventory::Other => {
            return Ok(Outcome::Ignored);
        }
    };
    Ok(apply_event(store, order, event, effect, cause, SystemClock.now()).await?.into())
}
