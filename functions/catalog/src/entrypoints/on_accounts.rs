use crate::{adapters::dynamodb::DynamoCatalog, application::on_seller_registered::on_seller_registered};
use rialto_contracts::{Event, accounts::Accounts};
use rialto_lambda::{
    App,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("catalog-on-accounts", 10, build);
}

fn build(app: &App) -> sqs::Handler {
    let store = DynamoCatalog::open(app);
    Arc::new(move |event, _| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &event).await })
    })
}

async fn handle(store: &DynamoCatalog, event: &Event) -> Result<Outcome, Failure> {
    match Accounts::decode(event)? {
        Accounts::SellerRegistered(registered) => Ok(on_seller_registered(store, &registered).await?.into()),
        _ => Ok(Outcome::Ignored),
    }
}
