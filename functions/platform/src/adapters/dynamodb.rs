//! Items of the simulator's table: `INTENT#<id>` holds `INTENT`; `KEY#<hash of the key>` holds `ANSWER`.

use crate::{
    domain::{intent::Intent, saved::IdempotencyRecord},
    ports::Intents,
};
use rialto_dynamo::{Key, Precondition, Table, read_item, write_item};
use rialto_kernel::{StoreError, Write};
use rialto_lambda::FunctionContext;

/// The simulator's port on its table.
#[derive(Debug, Clone)]
pub struct DynamoIntents {
    table: Table,
}

fn intent_key(id: &str) -> Key {
    Key::new(format!("INTENT#{id}"), "INTENT")
}

fn answer_key(key: &str) -> Key {
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

/// What is there before the write of this version.
const fn before(version: u64) -> Precondition {
    if version == 1 { Precondition::Absent } else { Precondition::Version(version - 1) }
}

impl Intents for DynamoIntents {
    async fn intent(&self, id: &str) -> Result<Option<Intent>, StoreError> {
        self.table.get(&intent_key(id)).await?.map(read_item).transpose()
    }

    async fn load(
        &self,
        id: &str,
        key: Option<&str>,
    ) -> Result<(Option<Intent>, Option<IdempotencyRecord>), StoreError> {
        let Some(key) = key else { return Ok((self.intent(id).await?, None)) };
        let (intent, answer) = (intent_key(id), answer_key(key));
        let mut items = self.table.batch_get(&[intent.clone(), answer.clone()]).await?;
        let known = items.remove(&intent).map(read_item).transpose()?;
        Ok((known, items.remove(&answer).map(read_item).transpose()?))
    }

    async fn write(
        &self,
        intent: Option<&Intent>,
        saved: Option<&IdempotencyRecord>,
    ) -> Result<Write, StoreError> {
        let mut items = Vec::new();
        if let Some(intent) = intent {
            items.push((write_item(&intent_key(&intent.id), intent, &[])?, before(intent.version)));
        }
        if let Some(saved) = saved {
            items.push((write_item(&answer_key(&saved.key), saved, &[])?, before(saved.version)));
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
