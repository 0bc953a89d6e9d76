//! What the functions that start and complete deliveries share.

use crate::{adapters::dynamodb::DynamoDelivery, domain::delivery::DeliveryDeadlines};
use rialto_kernel::settings::{DELIVERY_DEADLINE, RECEIPT_DEADLINE};
use rialto_lambda::{
    FunctionContext,
    settings::{Settings, SettingsError},
};
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct DeadlinesState {
    pub store: DynamoDelivery,
    settings: Arc<Settings>,
}

impl DeadlinesState {
    pub(crate) fn open(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[DELIVERY_DEADLINE.name, RECEIPT_DEADLINE.name]);
        Self { store: DynamoDelivery::open(app), settings: Arc::clone(&app.settings) }
    }

    pub(crate) async fn deadlines(&self) -> Result<DeliveryDeadlines, SettingsError> {
        Ok(DeliveryDeadlines {
            delivery: self.settings.get(&DELIVERY_DEADLINE).await?,
            receipt: self.settings.get(&RECEIPT_DEADLINE).await?,
        })
    }
}
