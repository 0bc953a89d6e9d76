//! Several items in one write.

use crate::{
    item::Item,
    table::{Table, unavailable},
};
use aws_sdk_dynamodb::{
    error::SdkError, operation::transact_write_items::TransactWriteItemsError, types::TransactWriteItem,
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
const TRIES: u32 = 6;

impl Table {
    /// Writes all or nothing. Contention is waited out with jitter, for half a second or so.
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
