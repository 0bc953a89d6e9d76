//! Items with a deadline, in an index that is spread over several partitions ("shards").
//!
//! A sweep reads the items that are due. Each shard contributes a fair share of the limit, so that
//! a shard whose items can't be settled doesn't block the others. What some shards leave of their
//! shares goes to those that have more.

use crate::{
    PageToken,
    item::{Item, Key, item_key},
    query::PartitionQuery,
    table::Table,
};
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_kernel::{StoreError, Timestamp, digest};
use std::{collections::VecDeque, fmt::Display, mem, str::FromStr};

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
        for shard in &mut shards {
            // The earliest last, where they are taken from.
            shard.sort_unstable_by(|one, other| other.cmp(one));
        }
        let mut shares = Shares::new(self.shards, limit);
        let mut due = Vec::new();
        while let Some((shard, count)) = shares.next() {
            let entries = &mut shards[usize::from(shard)];
            let taken = entries.split_off(entries.len().saturating_sub(count));
            shares.record(shard, taken.len(), !entries.is_empty());
            due.extend(taken);
        }
        first_ids(due, limit)
    }
}

/// The first `limit` ids in the order of their deadlines.
fn first_ids<T: Ord>(mut due: Vec<DueEntry<T>>, limit: usize) -> Vec<T> {
    due.sort_unstable();
    due.truncate(limit);
    due.into_iter().map(|entry| entry.id).collect()
}

/// Divides a limit among shards, in rounds. In the first, each may contribute the same number of
/// entries; in each further one, those that have more divide what is left.
struct Shares {
    limit: usize,
    taken: usize,
    /// The number for each shard in the first round.
    first: Option<usize>,
    round: VecDeque<u8>,
    next_round: VecDeque<u8>,
}

impl Shares {
    fn new(shards: u8, limit: usize) -> Self {
        let round: VecDeque<u8> = (0..shards.max(1)).collect();
        let first = Some(limit.div_ceil(round.len()));
        Self { limit, taken: 0, first, round, next_round: VecDeque::new() }
    }

    /// A shard, and the number of entries to take from it; none when the limit is reached or all
    /// shards are exhausted.
    fn next(&mut self) -> Option<(u8, usize)> {
        if self.round.is_empty() {
            self.round = mem::take(&mut self.next_round);
            self.first = None;
        }
        let left = self.round.len();
        let shard = self.round.pop_front()?;
        let count =
            self.first.unwrap_or_else(|| self.limit.saturating_sub(self.taken).div_ceil(left));
        (count > 0).then_some((shard, count))
    }

    /// Records that `count` entries were taken from the shard, and whether it may have more.
    fn record(&mut self, shard: u8, count: usize, more: bool) {
        self.taken += count;
        if more {
            self.next_round.push_back(shard);
        }
    }
}

/// A position in a shard: none at its start.
type Position = Option<PageToken>;

impl Table {
    /// The ids that are due by `now`, `limit` at most, in the order of their deadlines. Each shard
    /// contributes its share of `limit`, and more if others have fewer. Eventually consistent.
    /// Malformed entries are logged and skipped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table can't be read.
    pub async fn due<T: FromStr + Ord>(
        &self,
        index: &DueIndex,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let mut shares = Shares::new(index.shards, limit);
        let mut positions: Vec<Position> = (0..index.shards.max(1)).map(|_| None).collect();
        let mut due = Vec::new();
        while let Some((shard, count)) = shares.next() {
            let position = &mut positions[usize::from(shard)];
            let (entries, next) =
                self.due_in_shard(index, shard, now, count, position.take()).await?;
            shares.record(shard, entries.len(), next.is_some());
            *position = next;
            due.extend(entries);
        }
        Ok(first_ids(due, limit))
    }

    /// The next `count` due entries of a shard, and the position after them if there may be more.
    async fn due_in_shard<T: FromStr>(
        &self,
        index: &DueIndex,
        shard: u8,
        now: Timestamp,
        count: usize,
        mut position: Position,
    ) -> Result<(Vec<DueEntry<T>>, Position), StoreError> {
        let query = PartitionQuery::index(index.index, index.partition_for_shard(shard));
        let [_, sort] = index.attribute_names();
        let mut due = Vec::new();
        while due.len() < count {
            let missing = u32::try_from(count - due.len()).unwrap_or(u32::MAX);
            let position_text = position.as_ref().map(PageToken::as_str);
            let (items, next) = self.query(&query, missing, position_text).await?;
            for item in &items {
                match read_entry(item, &sort) {
                    Some(entry) if entry.deadline > now => return Ok((due, None)),
                    Some(entry) => due.push(entry),
                    None => log_malformed(item, &sort),
                }
            }
            position = next;
            if position.is_none() {
                break;
            }
        }
        Ok((due, position))
    }
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
        table_with_malformed(entries, &[])
    }

    /// The same, with these sort keys in every shard besides.
    fn table_with_malformed(entries: &[DueEntry<OrderId>], malformed: &[String]) -> Table {
        let mut partitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for shard in 0..INDEX.shards {
            partitions.insert(INDEX.partition_for_shard(shard), malformed.to_vec());
        }
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
        assert_eq!(INDEX.select(entries, now, 500), due);
    }

    #[tokio::test]
    async fn unused_shares_go_to_the_shards_that_have_more() {
        let (entries, _) = stuck();
        let now = START.plus(Duration::from_secs(1_000));
        for limit in [1, 2, 8, 9, 100, 500, 501, 1_000] {
            let due: Vec<OrderId> = table(&entries).due(&INDEX, now, limit).await.unwrap();
            assert_eq!(due.len(), limit.min(501));
            assert_eq!(INDEX.select(entries.clone(), now, limit), due, "{limit}");
        }
        let two = of_shard(2, 90).into_iter().chain(of_shard(5, 300)).chain(of_shard(6, 10));
        let entries: Vec<_> = two.map(|id| DueEntry { deadline: START, id }).collect();
        let due: Vec<OrderId> = table(&entries).due(&INDEX, now, 200).await.unwrap();
        let of = |shard| due.iter().filter(|id| INDEX.shard_of(&id.to_string()) == shard).count();
        assert_eq!([of(2), of(5), of(6)], [90, 100, 10]);
        let selected: Vec<OrderId> = INDEX.select(entries, now, 200);
        assert_eq!(selected, due);
    }

    #[tokio::test]
    async fn malformed_entries_are_skipped() {
        let (entries, _) = stuck();
        let now = START.plus(Duration::from_secs(3));
        let malformed =
            ["1", "1#x", &format!("{START}#x"), &format!("{START}"), "z"].map(str::to_owned);
        let table = table_with_malformed(&entries, &malformed);
        let due: Vec<OrderId> = table.due(&INDEX, now, 2_000).await.unwrap();
        assert_eq!(due, of_shard(0, 4));
        let due: Vec<OrderId> = table.due(&INDEX, now, 3).await.unwrap();
        assert_eq!(due, of_shard(0, 3));
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
