//! Reading a partition of a table or of an index, in the order of its sort key.

use crate::{
    item::Item,
    table::{Table, unavailable},
};
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_kernel::StoreError;
use std::collections::{BTreeMap, HashMap};

/// A partition, or a part of one, in the order of its sort key. Ascending by
/// default.
///
/// The keys of an index are named after it: `by_deadline` has `by_deadline_pk` and
/// `by_deadline_sk`.
#[derive(Debug, Clone)]
pub struct PartitionQuery<'a> {
    index: Option<&'a str>,
    partition: String,
    sort: SortKeys,
    descending: bool,
    consistent: bool,
}

#[derive(Debug, Clone)]
enum SortKeys {
    All,
    BeginningWith(String),
    Beyond(String),
}

impl<'a> PartitionQuery<'a> {
    /// The items of a partition of the table itself.
    #[must_use]
    pub fn table(partition: impl Into<String>) -> Self {
        Self {
            index: None,
            partition: partition.into(),
            sort: SortKeys::All,
            descending: false,
            consistent: false,
        }
    }

    /// The items of a partition of an index, as the index has them: it lags behind the table.
    #[must_use]
    pub fn index(index: &'a str, partition: impl Into<String>) -> Self {
        Self { index: Some(index), ..Self::table(partition) }
    }

    #[must_use]
    pub fn descending(self) -> Self {
        Self { descending: true, ..self }
    }

    /// Reads what was written before the query was sent. An index can't, so it has no effect there.
    #[must_use]
    pub fn consistent(self) -> Self {
        Self { consistent: self.index.is_none(), ..self }
    }

    /// Only sort keys with this prefix.
    #[must_use]
    pub fn begins_with(self, prefix: impl Into<String>) -> Self {
        Self { sort: SortKeys::BeginningWith(prefix.into()), ..self }
    }

    /// Only sort keys beyond this one in the query's direction, if one is given. There needn't be
    /// an item with that key.
    #[must_use]
    pub fn after(self, sort_key: Option<String>) -> Self {
        Self { sort: sort_key.map_or(SortKeys::All, SortKeys::Beyond), ..self }
    }

    fn key(&self, part: &str) -> String {
        self.index.map_or_else(|| part.to_owned(), |index| format!("{index}_{part}"))
    }
}

/// The position after which a query continues: the key of the last item that it returned, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(String);

impl PageToken {
    /// The position after `item`, whose key attributes are `names`.
    #[must_use]
    pub fn of(item: &Item, names: &[&str]) -> Self {
        let key: BTreeMap<&str, &str> = names
            .iter()
            .filter_map(|name| Some((*name, item.get(*name)?.as_s().ok()?.as_str())))
            .collect();
        Self(serde_json::json!(key).to_string())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn key(text: &str) -> Result<Item, StoreError> {
        let key: HashMap<String, String> =
            serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(key.into_iter().map(|(name, value)| (name, AttributeValue::S(value))).collect())
    }
}

impl Table {
    /// Up to `limit` items from `position` on, a [`PageToken`]'s text; and the next position, if
    /// there may be more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read, and [`StoreError::Corrupt`] for a
    /// position of another form.
    pub async fn query(
        &self,
        query: &PartitionQuery<'_>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<Item>, Option<PageToken>), StoreError> {
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(query.index.map(str::to_owned))
            .set_consistent_read(query.consistent.then_some(true))
            .expression_attribute_names("#partition", query.key("pk"))
            .expression_attribute_values(":partition", AttributeValue::S(query.partition.clone()))
            .scan_index_forward(!query.descending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(position.map(PageToken::key).transpose()?);
        let (condition, bound) = match &query.sort {
            SortKeys::All => ("", None),
            SortKeys::BeginningWith(prefix) => (" AND begins_with(#sort, :bound)", Some(prefix)),
            SortKeys::Beyond(key) if query.descending => (" AND #sort < :bound", Some(key)),
            SortKeys::Beyond(key) => (" AND #sort > :bound", Some(key)),
        };
        if let Some(bound) = bound {
            request = request
                .expression_attribute_names("#sort", query.key("sk"))
                .expression_attribute_values(":bound", AttributeValue::S(bound.clone()));
        }
        let response = request
            .key_condition_expression(format!("#partition = :partition{condition}"))
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        let next = response.last_evaluated_key.map(|key| {
            let names: Vec<&str> = key.keys().map(String::as_str).collect();
            PageToken::of(&key, &names)
        });
        Ok((response.items.unwrap_or_default(), next))
    }
}
