use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::on_stock_reserved::on_stock_reserved,
};
use rialto_contracts::{Event, EventContext, inventory::Inventory};
use rialto_kernel::SystemClock;
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("payments-on-inventory", 10, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let (store, provider) = (DynamoPayments::open(app), HttpProvider::open(app));
    Arc::new(move |message| {
        let (store, provider) = (store.clone(), provider.clone());
        Box::pin(async move {
            handle(&store, &provider, &message.event, &message.event_context()).await
        })
    })
}

async fn handle(
    store: &DynamoPayments,
    provider: &HttpProvider,
    event: &Event,
    cause: &EventContext,
) -> Result<Outcome, Failure> {
    match Inventory::decode(event)? {
        Inventory::StockReserved(reserved) => {
            Ok(on_stock_reserved(store, provider, &reserved, cause, &SystemClock).await?.into())
        }
        _ => Ok(Outcome::Ignored),
    }
}
