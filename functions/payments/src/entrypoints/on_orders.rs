use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::on_order_cancelled::on_order_cancelled,
};
use rialto_contracts::{Event, EventContext, orders::Orders};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("payments-on-orders", 10, build);
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
    match Orders::decode(event)? {
        Orders::OrderCancelled(cancelled) => {
            Ok(on_order_cancelled(store, provider, &cancelled, cause, SystemClock.now())
                .await?
                .into())
        }
        _ => Ok(Outcome::Ignored),
    }
}
