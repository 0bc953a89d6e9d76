//! The simulator's table: `INTENT#<id>` has an item `INTENT`, `KEY#<hash of the key>` an item
//! `ANSWER`, and `RATE` the counter of the current second's requests.

use crate::{
    domain::{idempotency::IdempotencyRecord, intent::PaymentIntent},
    ports::{IntentStore, RateLimiter},
};
use rialto_dynamo::{CountOutcome, Key, Precondition, Table, read_item, write_item};
use rialto_kernel::{StoreError, Timestamp, Write};
use rialto_lambda::FunctionContext;
use std::time::Duration;

/// The simulator's store on its table.
#[derive(Debug, Clone)]
pub struct DynamoIntents {
    table: Table,
}

fn intent_key(id: &str) -> Key {
    Key::new(format!("INTENT#{id}"), "INTENT")
}

fn record_key(key: &str) -> Key {
    Key::new(format!("KEY#{key}"), "ANSWER")
}

impl DynamoIntents {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SIMULATOR))
    }

    #[must_use]
    pub const fn on(table: Table) -> Self {
        Self { table }
    }
}

/// The precondition for writing this version.
const fn precondition(version: u64) -> Precondition {
    if version == 1 { Precondition::Absent } else { Precondition::Version(version - 1) }
}

impl IntentStore for DynamoIntents {
    async fn intent(&self, id: &str) -> Result<Option<PaymentIntent>, StoreError> {
        self.table.get(&intent_key(id)).await?.map(read_item).transpose()
    }

    async fn load(
        &self,
        id: &str,
        key: Option<&str>,
    ) -> Result<(Option<PaymentIntent>, Option<IdempotencyRecord>), StoreError> {
        let Some(key) = key else { return Ok((self.intent(id).await?, None)) };
        let (intent, record) = (intent_key(id), record_key(key));
        let mut items = self.table.batch_get(&[intent.clone(), record.clone()]).await?;
        let stored = items.remove(&intent).map(read_item).transpose()?;
        Ok((stored, items.remove(&record).map(read_item).transpose()?))
    }

    async fn write(
        &self,
        intent: Option<&PaymentIntent>,
        record: Option<&IdempotencyRecord>,
    ) -> Result<Write, StoreError> {
        let mut items = Vec::new();
        if let Some(intent) = intent {
            items.push((
                write_item(&intent_key(&intent.id), intent, &[])?,
                precondition(intent.version),
            ));
        }
        if let Some(record) = record {
            items.push((
                write_item(&record_key(&record.key), record, &[])?,
                precondition(record.version),
            ));
        }
        if items.len() > 1 {
            let writes: Result<_, _> = items
                .into_iter()
                .map(|(item, expect)| self.table.transact_put(item, expect))
                .collect();
            return self.table.transact(writes?).await.map(Write::unit);
        }
        match items.pop() {
            None => Ok(Write::Done),
            Some((item, expect)) => self.table.put(item, expect).await.map(Write::unit),
        }
    }
}

impl RateLimiter for DynamoIntents {
    async fn admit(&self, limit: u32, now: Timestamp) -> Result<bool, StoreError> {
        let counted =
            self.table.count(&Key::new("RATE", "RATE"), limit, Duration::from_secs(1), now).await?;
        Ok(counted == CountOutcome::Done)
    }
}
