//! Items with a deadline, in an index that is spread over several partitions ("shards").
//!
//! A sweep reads the items that are due. Each shard contributes at most its fair share of the
//! limit, so that a shard whose items can't be settled doesn't block the others.

use crate::{
    item::{Item, Key, item_key},
    query::PartitionQuery,
    table::Table,
};
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_kernel::{StoreError, Timestamp, digest};
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

/// An entry of a [`DueIndex`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry<T> {
    pub deadline: Timestamp,
    pub id: T,
}

impl DueIndex {
    /// The key attributes that list the item with this id, to be written with the item itself.
    #[must_use]
    pub fn attributes(&self, id: impl Display, deadline: Timestamp) -> Item {
        let id = id.to_string();
        let [partition, sort] = self.attribute_names();
        Item::from([
            (partition, AttributeValue::S(self.partition_for(&id))),
            (sort, AttributeValue::S(format!("{deadline}#{id}"))),
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

    fn shard_of(&self, id: &str) -> u8 {
        digest::sha256(&[id.as_bytes()])[0] % self.shards.max(1)
    }

    /// The partition of a shard, 0 to `shards` - 1.
    #[must_use]
    pub fn partition_for_shard(&self, shard: u8) -> String {
        format!("{}#{shard}", self.prefix)
    }

    /// The most that one shard contributes to `limit` entries.
    fn share(&self, limit: usize) -> usize {
        limit.div_ceil(usize::from(self.shards.max(1)))
    }

    /// Selects, for a store in memory, what [`Table::due`] reads.
    #[must_use]
    pub fn select<T: Ord + Display>(
        &self,
        entries: impl IntoIterator<Item = DueEntry<T>>,
        now: Timestamp,
        limit: usize,
    ) -> Vec<T> {
        let mut shards: Vec<Vec<DueEntry<T>>> = (0..self.shards.max(1)).map(|_| vec![]).collect();
        for entry in entries.into_iter().filter(|entry| entry.deadline <= now) {
            shards[usize::from(self.shard_of(&entry.id.to_string()))].push(entry);
        }
        merge(shards, self.share(limit), limit)
    }
}

/// Each shard's first entries, in the order of their deadlines.
fn merge<T: Ord>(shards: Vec<Vec<DueEntry<T>>>, share: usize, limit: usize) -> Vec<T> {
    let mut due: Vec<DueEntry<T>> = Vec::new();
    for mut shard in shards {
        shard.sort_unstable();
        due.extend(shard.into_iter().take(share));
    }
    due.sort_unstable();
    due.truncate(limit);
    due.into_iter().map(|entry| entry.id).collect()
}

impl Table {
    /// The ids that are due by `now`, `limit` at most, in the order of their deadlines. Each shard
    /// contributes at most its share of `limit`. Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read; [`StoreError::Corrupt`] for an
    /// entry of another form.
    pub async fn due<T: FromStr + Ord>(
        &self,
        index: &DueIndex,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let share = index.share(limit);
        let mut shards = Vec::new();
        for shard in 0..index.shards {
            shards.push(self.due_in_shard(index, shard, now, share).await?);
        }
        Ok(merge(shards, share, limit))
    }

    async fn due_in_shard<T: FromStr>(
        &self,
        index: &DueIndex,
        shard: u8,
        now: Timestamp,
        share: usize,
    ) -> Result<Vec<DueEntry<T>>, StoreError> {
        let query = PartitionQuery::index(index.index, index.partition_for_shard(shard));
        let [_, sort] = index.attribute_names();
        let mut due = Vec::new();
        let mut position = None;
        while due.len() < share {
            let missing = u32::try_from(share - due.len()).unwrap_or(u32::MAX);
            let position_text = position.as_ref().map(crate::PageToken::as_str);
            let (items, next) = self.query(&query, missing, position_text).await?;
            for item in &items {
                let entry = read_entry(item, &sort)?;
                if entry.deadline > now {
                    return Ok(due);
                }
                due.push(entry);
            }
            position = next;
            if position.is_none() {
                break;
            }
        }
        Ok(due)
    }
}

fn read_entry<T: FromStr>(item: &Item, sort: &str) -> Result<DueEntry<T>, StoreError> {
    let entry = || {
        let (deadline, id) = item.get(sort)?.as_s().ok()?.split_once('#')?;
        Some(DueEntry { deadline: Timestamp::parse(deadline).ok()?, id: id.parse().ok()? })
    };
    entry().ok_or_else(|| {
        let Key { pk, sk } = item_key(item).unwrap_or_else(|_| Key::new("?", "?"));
        StoreError::Corrupt(format!("{pk} {sk} has no {sort} of a deadline and an id"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::OrderId;
    use rialto_testkit::http::{StubResponse, serve};
    use serde_json::{Value, json};
    use std::{collections::BTreeMap, time::Duration};

    const INDEX: DueIndex = DueIndex { index: "by_deadline", prefix: "PENDING", shards: 8 };
    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn order(number: u32) -> OrderId {
        OrderId::derive(&[&number.to_be_bytes()])
    }

    fn of_shard(shard: u8, count: usize) -> Vec<OrderId> {
        let all = (0..).map(order);
        all.filter(|id| INDEX.shard_of(&id.to_string()) == shard).take(count).collect()
    }

    /// 500 entries of shard 0, a second apart, then one of shard 7.
    fn stuck() -> (Vec<DueEntry<OrderId>>, OrderId) {
        let late = of_shard(7, 1)[0];
        let ids = of_shard(0, 500).into_iter().chain([late]);
        let entries = ids
            .zip(0..)
            .map(|(id, at)| DueEntry { deadline: START.plus(Duration::from_secs(at)), id });
        (entries.collect(), late)
    }

    /// A table whose index has these entries, a page of 100 at a time.
    fn table(entries: &[DueEntry<OrderId>]) -> Table {
        let mut partitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in entries {
            let sort = format!("{}#{}", entry.deadline, entry.id);
            partitions.entry(INDEX.partition_for(&entry.id.to_string())).or_default().push(sort);
        }
        partitions.values_mut().for_each(|sorts| sorts.sort());
        let endpoint = serve(move |request| {
            let query: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(query["ExpressionAttributeNames"]["#partition"], "by_deadline_pk");
            let partition = query["ExpressionAttributeValues"][":partition"]["S"].as_str().unwrap();
            let after = query["ExclusiveStartKey"]["by_deadline_sk"]["S"].as_str().unwrap_or("");
            let sorts: &[String] = partitions.get(partition).map_or(&[], Vec::as_slice);
            let page = usize::try_from(query["Limit"].as_u64().unwrap()).unwrap().min(100);
            let found: Vec<_> =
                sorts.iter().filter(|sort| sort.as_str() > after).take(page).collect();
            let last = found.last().filter(|_| found.len() == page);
            let key = |sort: &&String| json!({"by_deadline_sk": {"S": sort}});
            let mut body = json!({"Items": found.iter().map(key).collect::<Vec<_>>()});
            if let Some(last) = last {
                body["LastEvaluatedKey"] = key(last);
            }
            Some(StubResponse::new(200, body.to_string()))
        });
        Table::named(&rialto_aws::emulator_config(&endpoint), "orders".to_owned())
    }

    #[tokio::test]
    async fn no_shard_starves_another() {
        let (entries, late) = stuck();
        let now = START.plus(Duration::from_secs(1_000));
        let due: Vec<OrderId> = table(&entries).due(&INDEX, now, 500).await.unwrap();
        assert!(due.contains(&late), "{} ids of the first shard", due.len());
        assert_eq!(due.len(), 64);
        assert_eq!(INDEX.select(entries, now, 500), due);
    }

    #[tokio::test]
    async fn only_due_entries_are_read_in_order() {
        let (entries, _) = stuck();
        let now = START.plus(Duration::from_secs(3));
        let due: Vec<OrderId> = table(&entries).due(&INDEX, now, 2_000).await.unwrap();
        assert_eq!(due, of_shard(0, 4));
        let now = START.plus(Duration::from_secs(240));
        let due: Vec<OrderId> = table(&entries).due(&INDEX, now, 2_000).await.unwrap();
        assert_eq!(due, of_shard(0, 241));
        assert_eq!(INDEX.select(entries.clone(), now, 2_000), due);
        assert_eq!(table(&entries).due::<OrderId>(&INDEX, now, 1).await.unwrap(), of_shard(0, 1));
    }
}
