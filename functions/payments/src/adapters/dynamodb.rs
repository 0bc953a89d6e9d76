//! Items: `ORDER#<id>` holds `PAYMENT` and the ledger's entries, `LEDGER#<the payment's version>`. Index `by_deadline` lists
//! the payments that have something under way, by when it should have ended.

use crate::{
    domain::{
        ledger::LedgerEntry,
        payment::{Payment, PaymentUpdate},
    },
    ports::{ExpiredPayments, LedgerReader, PaymentReader, PaymentWriter},
};
use rialto_dynamo::{
    AttributeValue, Item, Key, Listing, PageToken, Precondition, Table, TransactWriteItem,
    read_item, write_item,
};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write, digest};
use rialto_lambda::FunctionContext;

/// The ports on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoPayments {
    table: Table,
}

/// Over how many partitions the payments with a deadline are spread, so that no partition of the index caps paying.
pub const DEADLINE_SHARDS: u8 = 8;

fn payment_key(order: OrderId) -> Key {
    Key::new(format!("ORDER#{order}"), "PAYMENT")
}

impl DynamoPayments {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub const fn on(table: Table) -> Self {
        Self { table }
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
            item.extend(deadline_key(payment.order_id, deadline));
        }
        let expect = change.expected.map_or(Precondition::Absent, Precondition::Version);
        let there = match &change.entry {
            None => match self.table.put(item, expect).await? {
                Write::Done => return Ok(Write::Done),
                Write::Conflict(there) => there,
            },
            Some(entry) => {
                let writes = vec![self.table.transact_put(item, expect)?, self.put_entry(entry)?];
                match self.table.transact(writes).await? {
                    Write::Done => return Ok(Write::Done),
                    // The payment's own refusal comes first. An entry is only there when its payment is.
                    Write::Conflict(refusals) => {
                        refusals.into_iter().next().flatten().unwrap_or_default()
                    }
                }
            }
        };
        read_item(there).map(|there| Write::Conflict(Box::new(there)))
    }
}

/// Where the index has a payment with a deadline.
fn deadline_key(order: OrderId, deadline: Timestamp) -> Item {
    let shard = digest::sha256(&[order.to_string().as_bytes()])[0] % DEADLINE_SHARDS;
    Item::from([
        ("by_deadline_pk".to_owned(), AttributeValue::S(format!("OPEN#{shard}"))),
        ("by_deadline_sk".to_owned(), AttributeValue::S(format!("{deadline}#{order}"))),
    ])
}

/// The order behind a key of `by_deadline`, if its payment should have come to rest by `now`.
fn due_by(key: &Item, now: Timestamp) -> Option<OrderId> {
    let (deadline, order) = key.get("by_deadline_sk")?.as_s().ok()?.split_once('#')?;
    (Timestamp::parse(deadline).ok()? <= now).then_some(())?;
    OrderId::parse(order).ok()
}

impl ExpiredPayments for DynamoPayments {
    /// Each shard brings its share of `limit` at most, so that none of them keeps the others waiting.
    async fn due_before(&self, now: Timestamp, limit: usize) -> Result<Vec<OrderId>, StoreError> {
        let share = limit.div_ceil(usize::from(DEADLINE_SHARDS));
        let mut due = Vec::new();
        for shard in 0..DEADLINE_SHARDS {
            let listing = Listing {
                index: Some("by_deadline"),
                partition: ("by_deadline_pk", format!("OPEN#{shard}")),
                begins: None,
                newest_first: false,
            };
            let mut found = Vec::new();
            let mut position: Option<PageToken> = None;
            loop {
                let after = position.as_ref().map(PageToken::as_str);
                let (keys, next) = self.table.list(&listing, 100, after).await?;
                found.extend(keys.iter().map_while(|key| due_by(key, now)));
                position = next;
                let all_due = keys.last().is_some_and(|last| due_by(last, now).is_some());
                if found.len() >= share || !all_due || position.is_none() {
                    break;
                }
            }
            due.extend(found.into_iter().take(share));
        }
        due.truncate(limit);
        Ok(due)
    }
}

impl LedgerReader for DynamoPayments {
    async fn entries(&self, order: OrderId) -> Result<Vec<LedgerEntry>, StoreError> {
        let listing = Listing {
            index: None,
            partition: ("pk", format!("ORDER#{order}")),
            begins: Some(("sk", "LEDGER#".to_owned())),
            newest_first: false,
        };
        // One for the capture and one for each refund: a page holds them all many times over.
        let (items, _) = self.table.list(&listing, 1_000, None).await?;
        items.into_iter().map(read_item).collect()
    }
}
