//! Fixed-window rate limiting with conditional updates; concurrent callers can't exceed the limit.

use crate::{
    item::{Item, Key, number},
    table::{Table, unavailable},
};
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use rialto_kernel::{Counter, Increment, StoreError, Timestamp, Write};
use std::{collections::HashMap, time::Duration};

/// The outcome of counting one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountOutcome {
    Done,
    /// The limit of the window is reached.
    LimitReached {
        until: Timestamp,
    },
}

/// A conflict means that a concurrent caller opened a window, which happens once per window: two
/// attempts are nearly always enough.
const MAX_ATTEMPTS: u32 = 4;

/// The expressions of an increment.
struct Expressions {
    update: &'static str,
    condition: &'static str,
    names: Vec<(&'static str, &'static str)>,
    values: Vec<(&'static str, AttributeValue)>,
}

const COUNT: (&str, &str) = ("#count", "count");
const ENDS: (&str, &str) = ("#ends", "window_ends");
const TTL: (&str, &str) = ("#ttl", "ttl");

fn expressions(increment: Increment, now: Timestamp) -> Expressions {
    let (one, now) = ((":one", number(1)), (":now", number(now.millis())));
    match increment {
        Increment::InWindow { limit } => Expressions {
            update: "SET #count = #count + :one",
            condition: "#ends > :now AND #count < :limit",
            names: vec![COUNT, ENDS],
            values: vec![one, now, (":limit", number(limit))],
        },
        Increment::NewWindow { ends } => Expressions {
            update: "SET #count = :one, #ends = :ends, #ttl = :ttl",
            condition: "attribute_not_exists(pk) OR #ends <= :now",
            names: vec![COUNT, ENDS, TTL],
            values: vec![
                one,
                now,
                (":ends", number(ends.millis())),
                (":ttl", number(ends.seconds() + 60)),
            ],
        },
    }
}

/// A counter that was read.
///
/// # Errors
/// [`StoreError::Corrupt`] unless the item is one.
pub fn read_counter(item: &Item) -> Result<Counter, StoreError> {
    let attribute = |name: &str| item.get(name).and_then(|value| value.as_n().ok());
    attribute(COUNT.1)
        .zip(attribute(ENDS.1))
        .and_then(|(count, ends)| {
            let window_ends = Timestamp::from_millis(ends.parse().ok()?);
            Some(Counter { count: count.parse().ok()?, window_ends })
        })
        .ok_or_else(|| StoreError::Corrupt("not a counter".to_owned()))
}

impl Table {
    /// Counts one more under `key` as a part of a transaction, which conflicts if the increment's
    /// condition isn't met.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be built.
    pub fn transact_count(
        &self,
        key: &Key,
        increment: Increment,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let Expressions { update, condition, names, values } = expressions(increment, now);
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(owned(names)))
            .set_expression_attribute_values(Some(owned(values)));
        let update = update.build().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Counts one more under `key` in the current window, or opens a new one. The table deletes the
    /// counter after its window.
    ///
    /// # Errors
    /// [`StoreError`] when it isn't known whether it was counted.
    pub async fn count(
        &self,
        key: &Key,
        limit: u32,
        window: Duration,
        now: Timestamp,
    ) -> Result<CountOutcome, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let within = expressions(Increment::InWindow { limit }, now);
            let old = match self.update_counter(key, within).await? {
                Write::Done => return Ok(CountOutcome::Done),
                Write::Conflict(old) => old,
            };
            let blocked = read_counter(&old).ok().filter(|old| old.window_ends > now);
            if let Some(until) = blocked.map(|old| old.window_ends) {
                return Ok(CountOutcome::LimitReached { until });
            }
            let ends = now.plus(window);
            let opening = expressions(Increment::NewWindow { ends }, now);
            if let Write::Done = self.update_counter(key, opening).await? {
                return Ok(CountOutcome::Done);
            }
        }
        Err(StoreError::Contended)
    }

    /// Counts one less, unless the count is zero.
    ///
    /// # Errors
    /// [`StoreError`] when it isn't known whether it was.
    pub async fn decrement(&self, key: &Key) -> Result<(), StoreError> {
        let decrement = Expressions {
            update: "SET #count = #count - :one",
            condition: "#count > :none",
            names: vec![COUNT],
            values: vec![(":one", number(1)), (":none", number(0))],
        };
        match self.update_counter(key, decrement).await? {
            Write::Done | Write::Conflict(_) => Ok(()),
        }
    }

    async fn update_counter(
        &self,
        key: &Key,
        expressions: Expressions,
    ) -> Result<Write<Item>, StoreError> {
        let Expressions { update, condition, names, values } = expressions;
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(owned(names)))
            .set_expression_attribute_values(Some(owned(values)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(Write::Done),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                match error.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        Ok(Write::Conflict(failed.item.unwrap_or_default()))
                    }
                    _ => Ok(Write::Conflict(Item::new())),
                }
            }
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn owned<V, W: From<V>>(pairs: Vec<(&'static str, V)>) -> HashMap<String, W> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
