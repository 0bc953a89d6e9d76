use crate::{
    adapters::dynamodb::DynamoInventory, application::on_product_registered::on_product_registered,
};
use rialto_contracts::{Event, catalog::Catalog};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("inventory-on-catalog", 10, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoInventory::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event).await })
    })
}

async fn handle(store: &DynamoInventory, event: &Event) -> Result<Outcome, Failure> {
    match Catalog::decode(event)? {
        Catalog::ProductRegistered(registered) => {
            Ok(on_product_registered(store, &registered, SystemClock.now()).await?.into())
        }
        Catalog::ProductChanged(_) | Catalog::Other => Ok(Outcome::Ignored),
    }
}
