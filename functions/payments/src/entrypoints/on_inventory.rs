use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::on_stock_reserved::on_stock_reserved,
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::inventory::Inventory;
use rialto_kernel::{Clock, settings::RETRY_WINDOW};
use rialto_lambda::{
    FunctionContext,
    settings::Settings,
    sqs::{self, Failure, Message, Outcome},
};
use std::sync::Arc;

pub fn main() {
    sqs::consume("payments-on-inventory", 10, |app| sqs::handler(ChargeState::open(app), handle));
}

/// What the handler needs: the store, the provider, the settings, and the clock that deadlines are
/// checked by.
#[derive(Clone)]
pub struct ChargeState<S, P> {
    pub store: S,
    pub provider: P,
    pub settings: Arc<Settings>,
    pub clock: Arc<dyn Clock>,
}

impl ChargeState<DynamoPayments, HttpProvider> {
    fn open(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[RETRY_WINDOW.name]);
        Self {
            store: DynamoPayments::open(app),
            provider: HttpProvider::open(app),
            settings: Arc::clone(&app.settings),
            clock: Arc::clone(&app.clock),
        }
    }
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(
    state: ChargeState<impl PaymentReader + PaymentWriter, impl Provider>,
    message: Message,
) -> Result<Outcome, Failure> {
    let ChargeState { store, provider, settings, clock } = state;
    match Inventory::decode(&message.event)? {
        Inventory::StockReserved(reserved) => {
            let context = message.event_context();
            let window = settings.get(&RETRY_WINDOW).await?;
            let charged =
                on_stock_reserved(&store, &provider, &reserved, window, &context, &*clock);
            Ok(charged.await?.into())
        }
        Inventory::StockRejected(_)
        | Inventory::StockReleased(_)
        | Inventory::StockDepleted(_)
        | Inventory::StockReplenished(_)
        | Inventory::Other => Ok(Outcome::Ignored),
    }
}
