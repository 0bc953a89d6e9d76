use crate::{
    adapters::dynamodb::DynamoOrders, application::hear_event::hear_event, domain::order::Effect,
};
use rialto_contracts::{Cause, Event, inventory::Inventory, orders::CancelReason};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    App,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("orders-on-inventory", 10, build);
}

fn build(app: &App) -> sqs::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |event, cause| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &event, &cause).await })
    })
}

async fn handle(store: &DynamoOrders, event: &Event, cause: &Cause) -> Result<Outcome, Failure> {
    let (order, effect) = match Inventory::decode(event)? {
        Inventory::StockReserved(reserved) => (reserved.order_id, Effect::Told),
        Inventory::StockRejected(rejected) => {
            (rejected.order_id, Effect::Cancels(CancelReason::OutOfStock))
        }
        Inventory::StockReleased(released) => (released.order_id, Effect::Told),
        Inventory::StockDepleted(_) | Inventory::StockReplenished(_) | Inventory::Other => {
            return Ok(Outcome::Ignored);
        }
    };
    Ok(hear_event(store, order, event, effect, cause, SystemClock.now()).await?.into())
}
