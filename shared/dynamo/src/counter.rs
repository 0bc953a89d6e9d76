//! Counting up to a limit in windows of time, by single conditional updates: as many as count at once can't get past it.

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

/// What became of counting one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountOutcome {
    Done,
    /// As many as the limit are counted already.
    LimitReached {
        until: Timestamp,
    },
}

/// How often counting is tried while others begin windows at the same moment.
const MAX_ATTEMPTS: u32 = 4;

impl Table {
    /// Counts one more under `key` in the window that goes on at `now`, or in a new one. The table forgets the count when its
    /// window is over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was counted.
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
            let old =
                match self.counting(key, within, "#ends > :now AND #count < :limit", values).await?
                {
                    Write::Done => return Ok(CountOutcome::Done),
                    Write::Conflict(old) => old,
                };
            let ends = old.get("window_ends").and_then(|value| value.as_n().ok()?.parse().ok());
            if let Some(until) = ends.map(Timestamp::from_millis).filter(|until| *until > now) {
                return Ok(CountOutcome::LimitReached { until });
            }
            let ends = now.plus(window);
            let anew = "SET #count = :one, #ends = :ends, #ttl = :ttl";
            let values = [
                (":one", number(1)),
                (":now", number(now.millis())),
                (":ends", number(ends.millis())),
                (":ttl", number(ends.seconds() + 60)),
            ];
            let over = "attribute_not_exists(pk) OR #ends <= :now";
            if let Write::Done = self.counting(key, anew, over, values).await? {
                return Ok(CountOutcome::Done);
            }
        }
        Err(StoreError::Unavailable("others count at the same moment".to_owned()))
    }

    /// Counts one less, if any is counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was.
    pub async fn decrement(&self, key: &Key) -> Result<(), StoreError> {
        let values = [(":one", number(1)), (":none", number(0))];
        match self.counting(key, "SET #count = #count - :one", "#count > :none", values).await? {
            Write::Done | Write::Conflict(_) => Ok(()),
        }
    }

    async fn counting<const N: usize>(
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
