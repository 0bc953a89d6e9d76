use crate::{adapters::dynamodb::DynamoCatalog, application::on_stock_changed::on_stock_changed};
use rialto_contracts::{Event, inventory::Inventory};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("catalog-on-inventory", 10, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoCatalog::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event).await })
    })
}

async fn handle(store: &DynamoCatalog, event: &Event) -> Result<Outcome, Failure> {
    let (product, in_stock) = match Inventory::decode(event)? {
        Inventory::StockDepleted(depleted) => (depleted.product_id, false),
        Inventory::StockReplenished(replenished) => (replenished.product_id, true),
        _ => return Ok(Outcome::Ignored),
    };
    Ok(on_stock_changed(store, product, in_stock, event.sequence).await?.into())
}
