use crate::{
    adapters::dynamodb::DynamoInventory,
    application::{
        on_order_cancelled::on_order_cancelled, on_order_confirmed::on_order_confirmed,
        on_order_placed::on_order_placed,
    },
};
use rialto_contracts::{Event, EventContext, orders::Orders};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    // One at a time: orders of a batch often reserve the same product and would only conflict.
    sqs::consume("inventory-on-orders", 1, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoInventory::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event, &message.event_context()).await })
    })
}

async fn handle(
    store: &DynamoInventory,
    event: &Event,
    cause: &EventContext,
) -> Result<Outcome, Failure> {
    let now = SystemClock.now();
    let write = match Orders::decode(event)? {
        Orders::OrderPlaced(placed) => on_order_placed(store, &placed, cause, now).await?,
        Orders::OrderConfirmed(confirmed) => {
            on_order_confirmed(store, &confirmed, cause, now).await?
        }
        Orders::OrderCancelled(cancelled) => {
            on_order_cancelled(store, &cancelled, cause, now).await?
        }
        Orders::Other => return Ok(Outcome::Ignored),
    };
    Ok(write.into())
}
