use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::on_stock_reserved::on_stock_reserved,
};
use rialto_contracts::inventory::Inventory;
use rialto_kernel::Clock;
use rialto_lambda::{
    FunctionContext,
    sqs::{self, Failure, Message, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("payments-on-inventory", 10, |app| sqs::handler(ChargeState::open(app), handle));
}

#[derive(Clone)]
struct ChargeState {
    store: DynamoPayments,
    provider: HttpProvider,
    clock: Arc<dyn Clock>,
}

impl ChargeState {
    fn open(app: &FunctionContext) -> Self {
        Self {
            store: DynamoPayments::open(app),
            provider: HttpProvider::open(app),
            clock: Arc::clone(&app.clock),
        }
    }
}

async fn handle(state: ChargeState, message: Message) -> Result<Outcome, Failure> {
    let ChargeState { store, provider, clock } = state;
    match Inventory::decode(&message.event)? {
        Inventory::StockReserved(reserved) => {
            let context = message.event_context();
            Ok(on_stock_reserved(&store, &provider, &reserved, &context, &*clock).await?.into())
        }
        Inventory::StockRejected(_)
        | Inventory::StockReleased(_)
        | Inventory::StockDepleted(_)
        | Inventory::StockReplenished(_)
        | Inventory::Other => Ok(Outcome::Ignored),
    }
}
