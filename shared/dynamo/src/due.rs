//! An index by deadline that is spread over several partitions ("shards"), because one partition
//! would limit the write rate.

use crate::{
    item::{Item, Key, OUTBOX, item_key},
    query::PartitionQuery,
    table::{Changes, Table, write_outcome},
};
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_kernel::{DueEntry, StoreError, Timestamp, Write, digest};
use std::{fmt::Display, str::FromStr};

/// An index by deadline. An entry's partition is `<prefix>#<shard>`, and its sort key
/// `<deadline>#<id>`.
#[derive(Debug, Clone, Copy)]
pub struct DueIndex {
    /// The index's name, such as `by_deadline`.
    pub index: &'static str,
    /// Such as `PENDING`.
    pub prefix: &'static str,
    pub shards: u8,
}

impl DueIndex {
    /// The key attributes that list the item with this id, to be written with the item itself.
    #[must_use]
    pub fn attributes(&self, id: impl Display, deadline: Timestamp) -> Item {
        let id = id.to_string();
        let [partition, sort] = self.attribute_names();
        Item::from([
            (partition, AttributeValue::S(self.partition_for(&id))),
            (sort, AttributeValue::S(sort_key(&DueEntry { deadline, id }))),
        ])
    }

    /// The names of those attributes; an item without them isn't listed.
    #[must_use]
    pub fn attribute_names(&self) -> [String; 2] {
        ["pk", "sk"].map(|part| format!("{}_{part}", self.index))
    }

    /// The partition that lists this id.
    #[must_use]
    pub fn partition_for(&self, id: &str) -> String {
        self.partition_for_shard(self.shard_of(id))
    }

    pub(crate) fn shard_of(&self, id: &str) -> u8 {
        digest::sha256(&[id.as_bytes()])[0] % self.shards.max(1)
    }

    /// The partition of a shard, 0 to `shards` - 1.
    #[must_use]
    pub fn partition_for_shard(&self, shard: u8) -> String {
        format!("{}#{shard}", self.prefix)
    }
}

impl Table {
    /// The first `limit` entries of a shard that are due by `now`, in order, beyond `after`; fewer
    /// only if there are no more. Eventually consistent. Malformed entries are logged and skipped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn due<T: FromStr + Display>(
        &self,
        index: &DueIndex,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<T>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<T>>, StoreError> {
        let [_, sort] = index.attribute_names();
        let mut query = PartitionQuery::index(index.index, index.partition_for_shard(shard))
            .after(after.map(sort_key).as_deref());
        let mut due = Vec::new();
        while due.len() < limit {
            let missing = u32::try_from(limit - due.len()).unwrap_or(u32::MAX);
            let (items, next) = self.query(&query, missing).await?;
            for item in &items {
                match read_entry(item, &sort) {
                    Some(entry) if entry.deadline > now => return Ok(due),
                    Some(entry) => due.push(entry),
                    None => log_malformed(item, &sort),
                }
            }
            if next.is_none() {
                break;
            }
            query = query.after(next.as_deref());
        }
        Ok(due)
    }

    /// Gives the entry of the item with this key a later deadline; [`Write::Conflict`] if it has
    /// another one than `entry` by now. The item may be unreadable otherwise.
    ///
    /// # Errors
    /// [`StoreError`] when it isn't known whether the entry was changed.
    pub async fn postpone<T: Display>(
        &self,
        index: &DueIndex,
        key: &Key,
        entry: &DueEntry<T>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        let [_, sort] = index.attribute_names();
        let later = sort_key(&DueEntry { deadline: until, id: &entry.id });
        let set = Item::from([(sort.clone(), AttributeValue::S(later))]);
        let changes = Changes::new(set, &[OUTBOX], None);
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(changes.expression)
            .set_expression_attribute_names(Some(changes.names))
            .set_expression_attribute_values(Some(changes.values))
            .expression_attribute_names("#listed", sort)
            .expression_attribute_values(":listed", AttributeValue::S(sort_key(entry)))
            .condition_expression("#listed = :listed");
        write_outcome(request.send().await)
    }
}

fn sort_key(entry: &DueEntry<impl Display>) -> String {
    format!("{}#{}", entry.deadline, entry.id)
}

fn read_entry<T: FromStr>(item: &Item, sort: &str) -> Option<DueEntry<T>> {
    let (deadline, id) = item.get(sort)?.as_s().ok()?.split_once('#')?;
    Some(DueEntry { deadline: Timestamp::parse(deadline).ok()?, id: id.parse().ok()? })
}

fn log_malformed(item: &Item, sort: &str) {
    let Key { pk, sk } = item_key(item).unwrap_or_else(|_| Key::new("?", "?"));
    tracing::error!(pk, sk, attribute = sort, "skipped an item: it has no deadline and id there");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDueList;
    use rialto_kernel::OrderId;
    use rialto_testkit::http::{StubResponse, serve};
    use serde_json::{Value, json};
    use std::time::Duration;

    const INDEX: DueIndex = DueIndex { index: "by_deadline", prefix: "PENDING", shards: 8 };
    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// 500 entries of shard 0, a second apart.
    fn entries() -> Vec<DueEntry<OrderId>> {
        let ids = (0_u32..).map(|number| OrderId::derive(&[&number.to_be_bytes()]));
        let ids = ids.filter(|id| INDEX.shard_of(&id.to_string()) == 0).take(500);
        ids.zip(0..)
            .map(|(id, at)| DueEntry { deadline: START.plus(Duration::from_secs(at)), id })
            .collect()
    }

    fn list_of(entries: &[DueEntry<OrderId>]) -> MemoryDueList<OrderId> {
        let mut list = MemoryDueList::default();
        entries.iter().for_each(|entry| list.set(entry.id, Some(entry.deadline)));
        list
    }

    /// A table whose index has these entries and malformed sort keys in shard 0, a page of 100 at
    /// a time.
    fn table(entries: &[DueEntry<OrderId>], malformed: &[&str]) -> Table {
        let mut sorts: Vec<String> = entries.iter().map(sort_key).collect();
        sorts.extend(malformed.iter().map(|sort| (*sort).to_owned()));
        sorts.sort();
        let endpoint = serve(move |request| {
            let query: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(query["ExpressionAttributeNames"]["#partition"], "by_deadline_pk");
            let values = &query["ExpressionAttributeValues"];
            let of_shard = values[":partition"]["S"] == "PENDING#0";
            let after = values[":bound"]["S"].as_str().unwrap_or("");
            let page = usize::try_from(query["Limit"].as_u64().unwrap()).unwrap().min(100);
            let found: Vec<_> = sorts
                .iter()
                .filter(|sort| of_shard && sort.as_str() > after)
                .take(page)
                .map(|sort| json!({"by_deadline_sk": {"S": sort}}))
                .collect();
            let mut body = json!({"Items": found});
            if let Some(last) = found.last().filter(|_| found.len() == page) {
                body["LastEvaluatedKey"] = last.clone();
            }
            Some(StubResponse::new(200, body.to_string()))
        });
        Table::named(&rialto_aws::emulator_config(&endpoint), "orders".to_owned())
    }

    #[tokio::test]
    async fn only_due_entries_of_the_shard_are_read_in_order() {
        let (entries, table) = (entries(), table(&entries(), &[]));
        let list = list_of(&entries);
        for (seconds, limit, expected) in
            [(3, 2_000, 0..4), (240, 2_000, 0..241), (240, 1, 0..1), (1_000, 400, 0..400)]
        {
            let now = START.plus(Duration::from_secs(seconds));
            let due: Vec<DueEntry<OrderId>> = table.due(&INDEX, 0, now, None, limit).await.unwrap();
            assert_eq!(due, entries[expected]);
            assert_eq!(list.due(&INDEX, 0, now, None, limit), due);
            let other: Vec<DueEntry<OrderId>> =
                table.due(&INDEX, 7, now, None, limit).await.unwrap();
            assert_eq!(other, []);
            assert_eq!(list.due(&INDEX, 7, now, None, limit), []);
        }
    }

    #[tokio::test]
    async fn reading_continues_after_an_entry() {
        let (entries, table) = (entries(), table(&entries(), &[]));
        let now = START.plus(Duration::from_secs(1_000));
        let after = Some(&entries[199]);
        let due = table.due(&INDEX, 0, now, after, 250).await.unwrap();
        assert_eq!(due, entries[200..450]);
        assert_eq!(list_of(&entries).due(&INDEX, 0, now, after, 250), due);
        assert_eq!(table.due(&INDEX, 0, now, entries.last(), 250).await.unwrap(), []);
    }

    #[tokio::test]
    async fn malformed_entries_are_skipped() {
        let entries = entries();
        let started = START.to_string();
        let malformed = ["1", "1#x", &format!("{started}#x"), &started, "z"];
        let table = table(&entries, &malformed);
        let now = START.plus(Duration::from_secs(3));
        for limit in [3, 4, 2_000] {
            let due: Vec<DueEntry<OrderId>> = table.due(&INDEX, 0, now, None, limit).await.unwrap();
            assert_eq!(due, entries[..limit.min(4)]);
        }
    }
}
