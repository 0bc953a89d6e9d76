//! Fixed-window rate limiting with conditional updates; concurrent callers can't exceed the limit.

use crate::{
    item::{Item, Key, number},
    table::{Table, unavailable},
};
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use rialto_kernel::{StoreError, Timestamp, Write};
use std::time::Duration;

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

impl Table {
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
            let within = "SET #count = #count + :one";
            let values =
                [(":one", number(1)), (":now", number(now.millis())), (":limit", number(limit))];
            let old = match self
                .update_counter(key, within, "#ends > :now AND #count < :limit", values)
                .await?
            {
                Write::Done => return Ok(CountOutcome::Done),
                Write::Conflict(old) => old,
            };
            let ends = old.get("window_ends").and_then(|value| value.as_n().ok()?.parse().ok());
            if let Some(until) = ends.map(Timestamp::from_millis).filter(|until| *until > now) {
                return Ok(CountOutcome::LimitReached { until });
            }
            let ends = now.plus(window);
            let opening = "SET #count = :one, #ends = :ends, #ttl = :ttl";
            let values = [
                (":one", number(1)),
                (":now", number(now.millis())),
                (":ends", number(ends.millis())),
                (":ttl", number(ends.seconds() + 60)),
            ];
            let over = "attribute_not_exists(pk) OR #ends <= :now";
            if let Write::Done = self.update_counter(key, opening, over, values).await? {
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
        let values = [(":one", number(1)), (":none", number(0))];
        match self
            .update_counter(key, "SET #count = #count - :one", "#count > :none", values)
            .await?
        {
            Write::Done | Write::Conflict(_) => Ok(()),
        }
    }

    async fn update_counter<const N: usize>(
        &self,
        key: &Key,
        update: &str,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<Write<Item>, StoreError> {
        let mut request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(update)
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, attribute) in [("#count", "count"), ("#ends", "window_ends"), ("#ttl", "ttl")] {
            if update.contains(name) || condition.contains(name) {
                request = request.expression_attribute_names(name, attribute);
            }
        }
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
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
