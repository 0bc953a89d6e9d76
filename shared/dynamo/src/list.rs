//! Reading a list in order: from a partition of the table or of an index, from a place on.

use crate::{
    item::Item,
    table::{Table, unavailable},
};
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_kernel::StoreError;
use std::collections::{BTreeMap, HashMap};

/// A partition read in the order of its sort key.
#[derive(Debug, Clone)]
pub struct Listing<'a> {
    /// None reads the table itself.
    pub index: Option<&'a str>,
    /// The partition key's attribute and value.
    pub partition: (&'a str, String),
    /// Only sort keys that begin so: attribute and beginning.
    pub begins: Option<(&'a str, String)>,
    pub newest_first: bool,
}

/// A partition read in the order of its sort key, from a place that needn't be anything's any more.
#[derive(Debug, Clone)]
pub struct Stretch<'a> {
    /// None reads the table itself, consistently.
    pub index: Option<&'a str>,
    /// The partition key's attribute and value.
    pub partition: (&'a str, String),
    /// The sort key's attribute.
    pub sort: &'a str,
    /// Only sort keys behind this one.
    pub after: Option<String>,
    pub descending: bool,
}

/// Where a listing goes on: the key after which it was left, as a cursor carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(String);

impl PageToken {
    /// Of an item that was read, whose key attributes are `names`.
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
    /// Up to `limit` items from `position` on, and where to go on if there may be more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn list(
        &self,
        listing: &Listing<'_>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<Item>, Option<PageToken>), StoreError> {
        let (attribute, value) = &listing.partition;
        let mut condition = "#partition = :partition".to_owned();
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(listing.index.map(str::to_owned))
            .expression_attribute_names("#partition", *attribute)
            .expression_attribute_values(":partition", AttributeValue::S(value.clone()))
            .scan_index_forward(!listing.newest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(position.map(PageToken::key).transpose()?);
        if let Some((attribute, beginning)) = &listing.begins {
            condition.push_str(" AND begins_with(#sort, :beginning)");
            request = request
                .expression_attribute_names("#sort", *attribute)
                .expression_attribute_values(":beginning", AttributeValue::S(beginning.clone()));
        }
        let answer = request
            .key_condition_expression(condition)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        let next = answer.last_evaluated_key.map(|key| {
            let names: Vec<&str> = key.keys().map(String::as_str).collect();
            PageToken::of(&key, &names)
        });
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// Up to `limit` items, and whether there may be more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn stretch(
        &self,
        stretch: &Stretch<'_>,
        limit: u32,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let (attribute, value) = &stretch.partition;
        let mut condition = "#partition = :partition".to_owned();
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(stretch.index.map(str::to_owned))
            .consistent_read(stretch.index.is_none())
            .expression_attribute_names("#partition", *attribute)
            .expression_attribute_values(":partition", AttributeValue::S(value.clone()))
            .scan_index_forward(!stretch.descending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        if let Some(after) = &stretch.after {
            condition.push_str(if stretch.descending {
                " AND #sort < :after"
            } else {
                " AND #sort > :after"
            });
            request = request
                .expression_attribute_names("#sort", stretch.sort)
                .expression_attribute_values(":after", AttributeValue::S(after.clone()));
        }
        let answer = request
            .key_condition_expression(condition)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.is_some()))
    }
}
