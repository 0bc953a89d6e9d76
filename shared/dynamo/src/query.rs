//! Reading a partition of a table or of an index, in the order of its sort key.

use crate::{
    item::{Item, Key},
    table::{Table, unavailable},
};
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_kernel::StoreError;

/// The longest sort key that DynamoDB accepts, in bytes.
const MAX_SORT_KEY: usize = 1024;

/// A partition, or a part of one, in the order of its sort key. Ascending by default.
///
/// The keys of an index are named after it: `by_deadline` has `by_deadline_pk` and
/// `by_deadline_sk`.
#[derive(Debug, Clone)]
pub struct PartitionQuery<'a> {
    index: Option<&'a str>,
    partition: String,
    prefix: Option<&'a str>,
    after: Option<String>,
    descending: bool,
    consistent: bool,
}

impl<'a> PartitionQuery<'a> {
    /// The items of a partition of the table itself.
    #[must_use]
    pub fn table(partition: impl Into<String>) -> Self {
        Self {
            index: None,
            partition: partition.into(),
            prefix: None,
            after: None,
            descending: false,
            consistent: false,
        }
    }

    /// The items of a partition of the table itself whose sort keys have this prefix.
    #[must_use]
    pub fn prefix(partition: impl Into<String>, prefix: &'a str) -> Self {
        Self { prefix: Some(prefix), ..Self::table(partition) }
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

    /// Only sort keys beyond this one in the query's direction, if one is given. There needn't be
    /// an item with that key. It may come from a client: [`Table::query`] refuses what can't be a
    /// sort key of the query.
    #[must_use]
    pub fn after(self, sort_key: Option<&str>) -> Self {
        Self { after: sort_key.map(str::to_owned), ..self }
    }

    fn key(&self, part: &str) -> String {
        self.index.map_or_else(|| part.to_owned(), |index| format!("{index}_{part}"))
    }

    fn check_position(&self) -> Result<(), StoreError> {
        let Some(after) = &self.after else { return Ok(()) };
        let sized = (1..=MAX_SORT_KEY).contains(&after.len());
        let prefixed = self.prefix.is_none_or(|prefix| after.starts_with(prefix));
        if sized && prefixed { Ok(()) } else { Err(StoreError::InvalidPosition) }
    }
}

impl Table {
    /// Up to `limit` items; and the sort key after which there may be more, to continue the query
    /// [after](PartitionQuery::after) it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read, and
    /// [`StoreError::InvalidPosition`] for a position that can't be a sort key of the query.
    pub async fn query(
        &self,
        query: &PartitionQuery<'_>,
        limit: u32,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        query.check_position()?;
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(query.index.map(str::to_owned))
            .set_consistent_read(query.consistent.then_some(true))
            .expression_attribute_names("#partition", query.key("pk"))
            .expression_attribute_values(":partition", AttributeValue::S(query.partition.clone()))
            .scan_index_forward(!query.descending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        // A condition on the sort key is all that a query can have: a position within a prefix is
        // the start key.
        let (condition, bound) = match (query.prefix, &query.after) {
            (None, None) => ("", None),
            (None, Some(after)) if query.descending => {
                (" AND #sort < :bound", Some(after.as_str()))
            }
            (None, Some(after)) => (" AND #sort > :bound", Some(after.as_str())),
            (Some(prefix), after) => {
                let start = after.as_ref().map(|after| Key::new(&query.partition, after).item());
                request = request.set_exclusive_start_key(start);
                (" AND begins_with(#sort, :bound)", Some(prefix))
            }
        };
        if let Some(bound) = bound {
            request = request
                .expression_attribute_names("#sort", query.key("sk"))
                .expression_attribute_values(":bound", AttributeValue::S(bound.to_owned()));
        }
        let response = request
            .key_condition_expression(format!("#partition = :partition{condition}"))
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        let sort = query.key("sk");
        let next = response.last_evaluated_key.and_then(|mut key| match key.remove(&sort)? {
            AttributeValue::S(sort_key) => Some(sort_key),
            _ => None,
        });
        Ok((response.items.unwrap_or_default(), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_testkit::http::{StubResponse, serve};
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    /// A table, and the bodies of the requests that it got.
    fn recording() -> (Table, Arc<Mutex<Vec<Value>>>) {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&bodies);
        let endpoint = serve(move |request| {
            received.lock().unwrap().push(serde_json::from_str(&request.body).unwrap());
            let last = json!({"pk": {"S": "A"}, "sk": {"S": "B#2"}, "by_x_sk": {"S": "x2"}});
            Some(StubResponse::new(200, json!({"Items": [], "LastEvaluatedKey": last}).to_string()))
        });
        (Table::named(&rialto_aws::emulator_config(&endpoint), "queried".to_owned()), bodies)
    }

    #[tokio::test]
    async fn a_position_within_a_prefix_keeps_both_conditions() {
        let (table, bodies) = recording();
        let query = PartitionQuery::prefix("A", "B#").after(Some("B#1"));
        assert_eq!(table.query(&query, 10).await.unwrap().1.as_deref(), Some("B#2"));
        let body = bodies.lock().unwrap().remove(0);
        let condition = "#partition = :partition AND begins_with(#sort, :bound)";
        assert_eq!(body["KeyConditionExpression"], condition);
        assert_eq!(body["ExpressionAttributeValues"][":bound"], json!({"S": "B#"}));
        assert_eq!(body["ExclusiveStartKey"], json!({"pk": {"S": "A"}, "sk": {"S": "B#1"}}));
    }

    #[tokio::test]
    async fn an_index_query_continues_after_its_own_sort_key() {
        let (table, bodies) = recording();
        let query = PartitionQuery::index("by_x", "A").descending().after(Some("x3"));
        assert_eq!(table.query(&query, 10).await.unwrap().1.as_deref(), Some("x2"));
        let body = bodies.lock().unwrap().remove(0);
        assert_eq!(body["KeyConditionExpression"], "#partition = :partition AND #sort < :bound");
        assert_eq!(body["ExpressionAttributeNames"]["#sort"], "by_x_sk");
        assert!(body.get("ExclusiveStartKey").is_none());
    }

    #[tokio::test]
    async fn positions_that_cannot_be_sort_keys_are_not_sent() {
        let (table, bodies) = recording();
        let (long, foreign) = ("x".repeat(MAX_SORT_KEY + 1), "C#1".to_owned());
        for query in [PartitionQuery::table("A"), PartitionQuery::index("by_x", "A")] {
            for position in ["", &long] {
                let query = query.clone().after(Some(position));
                assert_eq!(table.query(&query, 10).await, Err(StoreError::InvalidPosition));
            }
        }
        for position in ["", &long, &foreign] {
            let query = PartitionQuery::prefix("A", "B#").after(Some(position));
            assert_eq!(table.query(&query, 10).await, Err(StoreError::InvalidPosition));
        }
        assert!(bodies.lock().unwrap().is_empty());
    }
}
