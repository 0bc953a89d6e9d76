//! Items: `ORDER#<id>` holds `PAYMENT` and the ledger's entries, `LEDGER#<the payment's version>`.

use crate::{
    domain::{
        ledger::Entry,
        payment::{Change, Payment},
    },
    ports::{LedgerReader, PaymentReader, PaymentWriter, Saved},
};
use rialto_dynamo::{
    Expect, Key, Listing, PutOutcome, Table, TransactWriteItem, Transacted, read_item, write_item,
};
use rialto_kernel::{OrderId, StoreError};
use rialto_lambda::App;

/// The ports on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoPayments {
    table: Table,
}

fn payment_key(order: OrderId) -> Key {
    Key::new(format!("ORDER#{order}"), "PAYMENT")
}

impl DynamoPayments {
    #[must_use]
    pub fn open(app: &App) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub const fn on(table: Table) -> Self {
        Self { table }
    }

    fn put_entry(&self, entry: &Entry) -> Result<TransactWriteItem, StoreError> {
        let key =
            Key::new(format!("ORDER#{}", entry.order_id), format!("LEDGER#{:010}", entry.payment_version));
        self.table.put_part(write_item(&key, entry, &[])?, Expect::Absent)
    }
}

impl PaymentReader for DynamoPayments {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.table.get(&payment_key(order)).await?.map(read_item).transpose()
    }
}

impl PaymentWriter for DynamoPayments {
    async fn save(&self, change: &Change) -> Result<Saved, StoreError> {
        let payment = &change.payment;
        let item = write_item(&payment_key(payment.order_id), payment, &change.events)?;
        let expect = change.expected.map_or(Expect::Absent, Expect::Version);
        let there = match &change.entry {
            None => match self.table.put(item, expect).await? {
                PutOutcome::Done => return Ok(Saved::Done),
                PutOutcome::Refused(there) => there,
            },
            Some(entry) => {
                let writes = vec![self.table.put_part(item, expect)?, self.put_entry(entry)?];
                match self.table.transact(writes).await? {
                    Transacted::Done => return Ok(Saved::Done),
                    // The payment's own refusal comes first. An entry is only there when its payment is.
                    Transacted::Refused(refusals) => {
                        refusals.into_iter().next().flatten().map(|refusal| refusal.item).unwrap_or_default()
                    }
                }
            }
        };
        read_item(there).map(|there| Saved::Conflict(Box::new(there)))
    }
}

impl LedgerReader for DynamoPayments {
    async fn entries(&self, order: OrderId) -> Result<Vec<Entry>, StoreError> {
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
