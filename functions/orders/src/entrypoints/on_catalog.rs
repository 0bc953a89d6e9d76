use crate::{
    adapters::dynamodb::DynamoOrders,
    application::on_product_changed::{on_product_changed, on_product_registered},
};
use rialto_contracts::{Event, catalog::Catalog};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("orders-on-catalog", 10, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event).await })
    })
}

async fn handle(store: &DynamoOrders, event: &Event) -> Result<Outcome, Failure> {
    let write = match Catalog::decode(event)? {
        Catalog::ProductRegistered(registered) => {
            on_product_registered(store, &registered, event.sequence).await?
        }
        Catalog::ProductChanged(changed) => {
            on_product_changed(store, &changed, event.sequence).await?
        }
        Catalog::Other => return Ok(Outcome::Ignored),
    };
    Ok(write.into())
}
