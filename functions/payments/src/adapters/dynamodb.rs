//! The ports on the service's table.
//!
//! Items: `ORDER#<id>` holds `PAYMENT` and the ledger entries, `LEDGER#<the payment's version>`.
//! Index `by_deadline` lists payments with something unfinished by deadline, `by_day` the payments
//! of a day. `DAYS` holds `DAY#<day>` for each day with payments.

use super::{check_list_position, list_position};
use crate::{
    domain::{
        ledger::LedgerEntry,
        payment::{Payment, PaymentState, PaymentUpdate},
    },
    ports::{LedgerReader, PaymentLister, PaymentPage, PaymentReader, PaymentWriter},
};
use rialto_dynamo::{
    DayIndex, DueIndex, Key, ListedRecords, PartitionQuery, Precondition, RecordedDay, Table,
    TransactWriteItem, item_key, read_item, write_item,
};
use rialto_kernel::{DueEntry, DueQueue, OrderId, StoreError, Timestamp, Write};
use rialto_lambda::FunctionContext;

/// The ports, implemented on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoPayments {
    table: Table,
    recorded_day: RecordedDay,
}

/// Payments by deadline, sharded because one partition would limit the write rate.
pub const DEADLINES: DueIndex = DueIndex { index: "by_deadline", prefix: "OPEN", shards: 8 };

/// All payments with a charge, by day.
pub const ALL_PAYMENTS: DayIndex =
    DayIndex { index: "by_day", shards: 8, first_id: "ord_00000000000000000000000000" };

fn payment_key(order: OrderId) -> Key {
    Key::new(format!("ORDER#{order}"), "PAYMENT")
}

impl DynamoPayments {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub fn on(table: Table) -> Self {
        Self { table, recorded_day: RecordedDay::default() }
    }

    fn put_entry(&self, entry: &LedgerEntry) -> Result<TransactWriteItem, StoreError> {
        let key = Key::new(
            format!("ORDER#{}", entry.order_id),
            format!("LEDGER#{:010}", entry.payment_version),
        );
        self.table.transact_put(write_item(&key, entry, &[])?, Precondition::Absent)
    }
}

impl PaymentReader for DynamoPayments {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.table.get(&payment_key(order)).await?.map(read_item).transpose()
    }
}

impl PaymentWriter for DynamoPayments {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        let payment = &change.payment;
        let mut item = write_item(&payment_key(payment.order_id), payment, &change.events)?;
        if let Some(deadline) = payment.deadline() {
            item.extend(DEADLINES.attributes(payment.order_id, deadline));
        }
        if let Some(created_at) = payment.created_at {
            item.extend(ALL_PAYMENTS.attributes(payment.order_id, created_at));
            if change.expected.is_none() {
                self.recorded_day.record(&self.table, created_at).await?;
            }
        }
        let expect = change.expected.map_or(Precondition::Absent, Precondition::Version);
        let stored = match &change.entry {
            None => match self.table.put(item, expect).await? {
                Write::Done => return Ok(Write::Done),
                Write::Conflict(stored) => stored,
            },
            Some(entry) => {
                let writes = vec![self.table.transact_put(item, expect)?, self.put_entry(entry)?];
                match self.table.transact(writes).await? {
                    Write::Done => return Ok(Write::Done),
                    // The payment's refusal comes first. Its ledger entry can only exist if the
                    // payment does.
                    Write::Conflict(refusals) => {
                        refusals.into_iter().next().flatten().unwrap_or_default()
                    }
                }
            }
        };
        read_item(stored).map(|stored| Write::Conflict(Box::new(stored)))
    }
}

impl PaymentLister for DynamoPayments {
    async fn list_all(
        &self,
        state: Option<PaymentState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<PaymentPage, StoreError> {
        check_list_position(position)?;
        let list = self.table.days(ALL_PAYMENTS, position).await?;
        let matches = |payment: &Payment| payment.is_in(state);
        let payments = ListedRecords { key: item_key, matches, position: list_position };
        self.table.list(&list, payments, limit, position).await
    }
}

impl DueQueue for DynamoPayments {
    type Id = OrderId;
    const SHARDS: u8 = DEADLINES.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<OrderId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        self.table.due(&DEADLINES, shard, now, after, limit).await
    }

    async fn postpone(
        &self,
        entry: &DueEntry<OrderId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        self.table.postpone(&DEADLINES, &payment_key(entry.id), entry, until).await
    }
}

impl LedgerReader for DynamoPayments {
    async fn entries(&self, order: OrderId) -> Result<Vec<LedgerEntry>, StoreError> {
        let query = PartitionQuery::prefix(format!("ORDER#{order}"), "LEDGER#");
        // One entry for the capture and one for each refund: far fewer than fit into a page.
        let (items, _) = self.table.query(&query, 1_000).await?;
        items.into_iter().map(read_item).collect()
    }
}
