//! Several items in one write.

use crate::{
    item::{Item, Key},
    table::{Changes, Expect, Table, unavailable},
};
use aws_sdk_dynamodb::{
    error::{BuildError, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use rialto_kernel::StoreError;
use std::time::Duration;

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Transacted {
    Done,
    /// Some conditions failed and nothing was written. One entry a write, in order: none for those whose condition
    /// held.
    Refused(Vec<Option<Refusal>>),
}

/// A write whose condition failed, with the item that was there (empty if none, or if not asked for).
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub item: Item,
}

/// How often a transaction that collides with others is tried before it is left to its caller.
const TRIES: u32 = 8;

impl Table {
    /// A conditional put as a part of a transaction. Refused, it tells what is there, as [`Table::put`] does.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be put together.
    pub fn put_part(&self, item: Item, expect: Expect) -> Result<TransactWriteItem, StoreError> {
        let mut put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(expect.condition())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in expect.values() {
            put = put.expression_attribute_values(name, value);
        }
        Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build())
    }

    /// A conditional update as a part of a transaction; see [`Table::update`].
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be put together.
    pub fn update_part(
        &self,
        key: &Key,
        set: Item,
        remove: &[&str],
        expect: Expect,
    ) -> Result<TransactWriteItem, StoreError> {
        let changes = Changes::new(set, remove, expect);
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(changes.expression)
            .set_expression_attribute_names(Some(changes.names))
            .set_expression_attribute_values(Some(changes.values))
            .condition_expression(expect.condition());
        Ok(TransactWriteItem::builder().update(update.build().map_err(incomplete)?).build())
    }

    /// A part of a transaction that only looks: the whole is refused unless the table holds what is expected.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be put together.
    pub fn check_part(&self, key: &Key, expect: Expect) -> Result<TransactWriteItem, StoreError> {
        let mut check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .condition_expression(expect.condition());
        for (name, value) in expect.values() {
            check = check.expression_attribute_values(name, value);
        }
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(incomplete)?).build())
    }

    /// Writes all or nothing. Contention is waited out with jitter, for two seconds or so.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the contention lasts, or when it isn't known whether the write happened.
    pub async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Transacted, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let request = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            let error = match request.send().await {
                Ok(_) => return Ok(Transacted::Done),
                Err(error) => error,
            };
            match cancelled(&error) {
                Cancelled::ByConditions(refusals) => return Ok(Transacted::Refused(refusals)),
                Cancelled::ByContention if tries < TRIES => tokio::time::sleep(jitter(tries)).await,
                Cancelled::ByContention | Cancelled::Otherwise => return Err(unavailable(&error)),
            }
        }
    }
}

fn incomplete(error: BuildError) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

enum Cancelled {
    ByConditions(Vec<Option<Refusal>>),
    ByContention,
    Otherwise,
}

fn cancelled(error: &SdkError<TransactWriteItemsError>) -> Cancelled {
    let Some(service) = error.as_service_error() else { return Cancelled::Otherwise };
    let reasons = match service {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled.cancellation_reasons(),
        TransactWriteItemsError::TransactionInProgressException(_) => return Cancelled::ByContention,
        _ => return Cancelled::Otherwise,
    };
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code().unwrap_or("None")).collect();
    // A collision beside a failed condition says nothing final about the items that collided.
    let contended = codes.iter().any(|code| {
        matches!(*code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
    });
    if contended {
        return Cancelled::ByContention;
    }
    if !codes.contains(&"ConditionalCheckFailed") {
        return Cancelled::Otherwise;
    }
    let refusals = reasons.iter().map(|reason| {
        (reason.code() == Some("ConditionalCheckFailed"))
            .then(|| Refusal { item: reason.item().cloned().unwrap_or_default() })
    });
    Cancelled::ByConditions(refusals.collect())
}

/// 5 to 15 milliseconds, doubled with each try.
fn jitter(tries: u32) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()));
    Duration::from_micros((5_000 + nanos % 10_000) << tries.min(6))
}
