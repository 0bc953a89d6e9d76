//! Transactions: writes of several items, all or none.

use crate::{
    item::{Item, Key},
    table::{Changes, Precondition, Table, unavailable},
};
use aws_sdk_dynamodb::{
    error::{BuildError, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rialto_kernel::{StoreError, Write};
use std::time::Duration;

/// The attempts of a transaction that collides with others: about two seconds with the pauses.
const MAX_ATTEMPTS: u32 = 8;

impl Table {
    /// A conditional put as a part of a transaction. A conflict carries the stored item, as for
    /// [`Table::put`].
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be built.
    pub fn transact_put(
        &self,
        item: Item,
        expect: Precondition,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(expect.condition())
            .set_expression_attribute_values(expect.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build())
    }

    /// A conditional update as a part of a transaction; see [`Table::update`].
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be built.
    pub fn transact_update(
        &self,
        key: &Key,
        set: Item,
        remove: &[&str],
        expect: Precondition,
    ) -> Result<TransactWriteItem, StoreError> {
        let changes = Changes::new(set, remove, Some(expect));
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(changes.expression)
            .set_expression_attribute_names(Some(changes.names))
            .set_expression_attribute_values(Some(changes.values))
            .condition_expression(expect.condition());
        Ok(TransactWriteItem::builder().update(update.build().map_err(incomplete)?).build())
    }

    /// A condition as a part of a transaction, without a write.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be built.
    pub fn transact_check(
        &self,
        key: &Key,
        expect: Precondition,
    ) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .condition_expression(expect.condition())
            .set_expression_attribute_values(expect.values());
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(incomplete)?).build())
    }

    /// Writes all items or none. A conflict has one entry per write, in order: the stored item
    /// where the condition failed (empty if there is none, or if it isn't returned), and `None`
    /// where it held.
    ///
    /// Collisions are retried with jitter. An attempt that is still in progress is repeated with
    /// its own token, so that it can't collide with itself.
    ///
    /// # Errors
    /// [`StoreError::Contended`] after the last collision; [`StoreError::Unavailable`] when it
    /// isn't known whether the items were written.
    pub async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Write<Vec<Option<Item>>>, StoreError> {
        let mut attempt = 0;
        let mut token = new_token()?;
        loop {
            attempt += 1;
            let request =
                self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            let request = request.client_request_token(&token);
            let error = match request.send().await {
                Ok(_) => return Ok(Write::Done),
                Err(error) => error,
            };
            match cancelled(&error) {
                Cancelled::ByConditions(refusals) => return Ok(Write::Conflict(refusals)),
                Cancelled::ByContention if attempt < MAX_ATTEMPTS => token = new_token()?,
                Cancelled::InProgress if attempt < MAX_ATTEMPTS => {}
                Cancelled::ByContention => return Err(StoreError::Contended),
                Cancelled::InProgress | Cancelled::Otherwise => return Err(unavailable(&error)),
            }
            tokio::time::sleep(jitter(attempt)).await;
        }
    }
}

/// The idempotency token of an attempt.
fn new_token() -> Result<String, StoreError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

fn incomplete(error: BuildError) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

enum Cancelled {
    ByConditions(Vec<Option<Item>>),
    ByContention,
    /// The same attempt is still in progress.
    InProgress,
    Otherwise,
}

fn cancelled(error: &SdkError<TransactWriteItemsError>) -> Cancelled {
    let Some(service) = error.as_service_error() else { return Cancelled::Otherwise };
    let reasons = match service {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            cancelled.cancellation_reasons()
        }
        TransactWriteItemsError::TransactionInProgressException(_) => return Cancelled::InProgress,
        _ => return Cancelled::Otherwise,
    };
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code().unwrap_or("None")).collect();
    // Next to a collision, a failed condition isn't final for the items that collided.
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
            .then(|| reason.item().cloned().unwrap_or_default())
    });
    Cancelled::ByConditions(refusals.collect())
}

/// 5 to 15 milliseconds, doubled with each attempt.
fn jitter(attempt: u32) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()));
    Duration::from_micros((5_000 + nanos % 10_000) << attempt.min(6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Item;
    use aws_sdk_dynamodb::types::AttributeValue;
    use rialto_testkit::http::{StubResponse, serve};
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    const PREFIX: &str = "com.amazonaws.dynamodb.v20120810#";

    /// A table that rejects the first transactions with `errors` and accepts the next, and the
    /// tokens it got.
    fn rejecting(errors: Vec<Value>) -> (Table, Arc<Mutex<Vec<String>>>) {
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::clone(&tokens);
        let endpoint = serve(move |request| {
            let mut sent = sent.lock().unwrap();
            let body: Value = serde_json::from_str(&request.body).unwrap();
            sent.push(body["ClientRequestToken"].as_str().unwrap().to_owned());
            Some(match errors.get(sent.len() - 1) {
                Some(error) => StubResponse::new(400, error.to_string()),
                None => StubResponse::new(200, "{}"),
            })
        });
        (Table::named(&rialto_aws::emulator_config(&endpoint), "busy".to_owned()), tokens)
    }

    fn cancelled_by(codes: &[&str]) -> Value {
        let reason =
            |code: &&str| json!({"Code": code, "Item": {"line1": {"S": "1 Harbour Road"}}});
        let reasons: Vec<_> = codes.iter().map(reason).collect();
        json!({"__type": format!("{PREFIX}TransactionCanceledException"), "Message": "cancelled", "CancellationReasons": reasons})
    }

    async fn transacted(table: &Table) -> Result<Write<Vec<Option<Item>>>, StoreError> {
        let item = Item::from([("pk".to_owned(), AttributeValue::S("A".to_owned()))]);
        table.transact(vec![table.transact_put(item, Precondition::Absent)?]).await
    }

    #[tokio::test]
    async fn attempts_in_progress_are_repeated_with_their_token() {
        // More often than the SDK itself sends it.
        let in_progress = json!({"__type": format!("{PREFIX}TransactionInProgressException"), "Message": "not yet"});
        let (table, tokens) = rejecting(vec![in_progress; 9]);
        assert_eq!(transacted(&table).await, Ok(Write::Done));
        let tokens = tokens.lock().unwrap();
        assert_eq!(tokens.len(), 10);
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    }

    #[tokio::test]
    async fn attempts_after_a_collision_have_a_new_token() {
        let (table, tokens) = rejecting(vec![cancelled_by(&["TransactionConflict"])]);
        assert_eq!(transacted(&table).await, Ok(Write::Done));
        let tokens = tokens.lock().unwrap();
        assert_ne!(tokens[0], tokens[1]);
    }

    #[tokio::test]
    async fn lasting_collisions_are_reported_as_contended() {
        let busy = cancelled_by(&["TransactionConflict", "ConditionalCheckFailed"]);
        let (table, tokens) = rejecting(vec![busy; MAX_ATTEMPTS as usize]);
        assert_eq!(transacted(&table).await, Err(StoreError::Contended));
        assert_eq!(tokens.lock().unwrap().len(), MAX_ATTEMPTS as usize);
    }

    #[tokio::test]
    async fn errors_do_not_contain_items() {
        let (table, _) = rejecting(vec![cancelled_by(&["ValidationError"]); 3]);
        let Err(StoreError::Unavailable(text)) = transacted(&table).await else {
            panic!("the transaction succeeded")
        };
        assert!(text.contains("TransactionCanceledException"), "{text}");
        assert!(!text.contains("Harbour"), "{text}");
    }
}
