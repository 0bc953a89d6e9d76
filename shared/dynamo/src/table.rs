//! A table: reads and conditional writes of single items.

use crate::contention::{TRANSACTION_CONFLICT, with_contention_retries};
use crate::item::{Item, Key, item_key, number};
use aws_sdk_dynamodb::{
    Client, config,
    error::{ProvideErrorMetadata, SdkError},
    types::{KeysAndAttributes, ReturnValuesOnConditionCheckFailure},
};
use rialto_aws::{SdkConfig, Stage, calls::CountCalls, signing::JsonServiceAuth};
use rialto_kernel::{StoreError, Write};
use std::{collections::HashMap, time::Duration};

/// A service's table.
#[derive(Debug, Clone)]
pub struct Table {
    pub client: Client,
    pub name: String,
}

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// No item has this key.
    Absent,
    /// The item has this `version`.
    Version(u64),
    /// There is no item, or one with a lower `version`: for copies of what another service owns.
    Older(u64),
}

impl Table {
    /// The table of `service` on this stage.
    #[must_use]
    pub fn open(aws: &SdkConfig, stage: &Stage, service: &str) -> Self {
        Self::named(aws, stage.table(service))
    }

    #[must_use]
    pub fn named(aws: &SdkConfig, name: String) -> Self {
        let config = config::Builder::from(aws)
            .interceptor(CountCalls)
            .push_auth_scheme(JsonServiceAuth::new("dynamodb"));
        let config = with_contention_retries(config);
        Self { client: Client::from_conf(config.build()), name }
    }

    /// The item as it is now (a consistent read).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.get_item(key, Some(true)).await
    }

    /// The item as it was within the last second or so (an eventually consistent read, at half the
    /// cost). Nothing may be decided on it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn get_eventual(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.get_item(key, None).await
    }

    async fn get_item(
        &self,
        key: &Key,
        consistent: Option<bool>,
    ) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key.item()));
        let response = request
            .set_consistent_read(consistent)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        Ok(response.item)
    }

    /// The current items with these keys, those that exist. Requests hold 100 keys at most; keys
    /// that the table leaves unprocessed are requested again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn batch_get(&self, keys: &[Key]) -> Result<HashMap<Key, Item>, StoreError> {
        self.batch_get_items(keys, Some(true)).await
    }

    /// The same as [`Table::batch_get`], eventually consistent as [`Table::get_eventual`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn batch_get_eventual(&self, keys: &[Key]) -> Result<HashMap<Key, Item>, StoreError> {
        self.batch_get_items(keys, None).await
    }

    async fn batch_get_items(
        &self,
        keys: &[Key],
        consistent: Option<bool>,
    ) -> Result<HashMap<Key, Item>, StoreError> {
        let mut found = HashMap::new();
        for keys in keys.chunks(100) {
            let mut remaining: Vec<Item> = keys.iter().map(Key::item).collect();
            let mut attempts = 0;
            while !remaining.is_empty() {
                if attempts > 5 {
                    return Err(StoreError::Unavailable("keys were left unprocessed".to_owned()));
                }
                if attempts > 0 {
                    tokio::time::sleep(Duration::from_millis(20 << attempts)).await;
                }
                attempts += 1;
                let batch = KeysAndAttributes::builder()
                    .set_keys(Some(remaining))
                    .set_consistent_read(consistent)
                    .build();
                let batch = batch.map_err(|error| StoreError::Corrupt(error.to_string()))?;
                let request = self.client.batch_get_item().request_items(&self.name, batch);
                let response = request.send().await.map_err(|error| unavailable(&error))?;
                for item in
                    response.responses.unwrap_or_default().remove(&self.name).unwrap_or_default()
                {
                    found.insert(item_key(&item)?, item);
                }
                let unprocessed = response.unprocessed_keys.unwrap_or_default().remove(&self.name);
                remaining = unprocessed.map(|unprocessed| unprocessed.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }

    /// Writes an item if the table holds what the write expects.
    ///
    /// # Errors
    /// [`StoreError`] when it isn't known whether the item was written.
    pub async fn put(&self, item: Item, expect: Precondition) -> Result<Write<Item>, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(expect.condition())
            .set_expression_attribute_values(expect.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(Write::Done),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                let old = match error.into_err() {
                    aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
                        failed,
                    ) => failed.item,
                    _ => None,
                };
                Ok(Write::Conflict(old.unwrap_or_default()))
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Sets attributes of an item and removes others, if the table holds what the write expects.
    ///
    /// # Errors
    /// [`StoreError`] when it isn't known whether the item was written.
    pub async fn update(
        &self,
        key: &Key,
        set: Item,
        remove: &[&str],
        expect: Precondition,
    ) -> Result<Write, StoreError> {
        let changes = Changes::new(set, remove, Some(expect));
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(changes.expression)
            .set_expression_attribute_names(Some(changes.names))
            .set_expression_attribute_values(Some(changes.values))
            .condition_expression(expect.condition());
        write_outcome(request.send().await)
    }
}

/// The expressions of an update.
pub(crate) struct Changes {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: Item,
}

impl Changes {
    pub(crate) fn new(set: Item, remove: &[&str], expect: Option<Precondition>) -> Self {
        let (mut names, mut values) = (HashMap::new(), Item::new());
        let mut assignments = Vec::new();
        for (at, (name, value)) in set.into_iter().enumerate() {
            assignments.push(format!("#s{at} = :s{at}"));
            names.insert(format!("#s{at}"), name);
            values.insert(format!(":s{at}"), value);
        }
        let mut removals = Vec::new();
        for (at, name) in remove.iter().enumerate() {
            removals.push(format!("#r{at}"));
            names.insert(format!("#r{at}"), (*name).to_owned());
        }
        let mut expression = format!("SET {}", assignments.join(", "));
        if !removals.is_empty() {
            expression.push_str(&format!(" REMOVE {}", removals.join(", ")));
        }
        values.extend(expect.and_then(Precondition::values).into_iter().flatten());
        Self { expression, names, values }
    }
}

impl Precondition {
    /// The condition expression; [`Precondition::values`] has its values.
    #[must_use]
    pub const fn condition(self) -> &'static str {
        match self {
            Self::Absent => "attribute_not_exists(pk)",
            Self::Version(_) => "version = :expected_version",
            Self::Older(_) => "attribute_not_exists(pk) OR version < :expected_version",
        }
    }

    /// The values of [`Precondition::condition`], if it has any.
    #[must_use]
    pub fn values(self) -> Option<Item> {
        match self {
            Self::Absent => None,
            Self::Version(version) | Self::Older(version) => {
                Some(Item::from([(":expected_version".to_owned(), number(version))]))
            }
        }
    }
}

/// The error code of a write whose condition isn't met.
const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

/// The outcome of a conditional write.
pub(crate) fn write_outcome<T, E, R>(sent: Result<T, SdkError<E, R>>) -> Result<Write, StoreError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    match sent {
        Ok(_) => Ok(Write::Done),
        Err(error) if error.code() == Some(CONDITION_FAILED) => Ok(Write::Conflict(())),
        Err(error) => Err(unavailable(&error)),
    }
}

/// An SDK error with its sources, for the log. The SDK's own debug text isn't used: it shows
/// complete responses, and those of rejected writes contain items. A conflict with a transaction
/// wrote nothing, and is distinguished from an outage.
pub(crate) fn unavailable<E, R>(error: &SdkError<E, R>) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    if error.code() == Some(TRANSACTION_CONFLICT) {
        return StoreError::Contended;
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    StoreError::Unavailable(text)
}
