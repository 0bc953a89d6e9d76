use crate::{
    adapters::dynamodb::DynamoCatalog,
    application::{
        on_seller_registered::on_seller_registered, on_seller_unregistered::on_seller_unregistered,
    },
};
use rialto_contracts::{Event, EventContext, accounts::Accounts};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("catalog-on-accounts", 10, build);
}

fn build(app: &FunctionContext) -> sqs::Handler {
    let store = DynamoCatalog::open(app);
    Arc::new(move |message| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &message.event, &message.event_context()).await })
    })
}

async fn handle(
    store: &DynamoCatalog,
    event: &Event,
    cause: &EventContext,
) -> Result<Outcome, Failure> {
    match Accounts::decode(event)? {
        Accounts::SellerRegistered(registered) => {
            Ok(on_seller_registered(store, &registered).await?.into())
        }
        Accounts::SellerUnregistered(gone) => {
            Ok(on_seller_unregistered(store, &gone, SystemClock.now(), cause).await?.into())
        }
        _ => Ok(Outcome::Ignored),
    }
}
