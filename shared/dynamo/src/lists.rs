//! Lists of records, newest first: by a partition of an index, or by all days of a [`DayIndex`].

use crate::{
    item::{Item, Key, item_key, read_item},
    query::PartitionQuery,
    table::{Precondition, Table},
};
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use rialto_kernel::{StoreError, Timestamp, Write, digest};
use serde::de::DeserializeOwned;
use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
};

/// Records read at most for one page that is filtered.
const READ_LIMIT: u32 = 1_000;

/// Records read at a time: as many as a BatchGetItem returns.
const READ_CHUNK: u32 = 100;

/// The number of days with records that a page examines at most.
const LISTED_DAYS: u32 = 31;

/// The number of entries that are read of each partition of a day beyond its even share of a page.
/// Most pages are complete then.
const SHARE_MARGIN: u32 = 6;

/// The partition with the days on which records were created.
const DAYS: &str = "DAYS";

fn day_key(day: &str) -> Key {
    Key::new(DAYS, format!("DAY#{day}"))
}

/// An index of all records of a table by the day of their creation, spread over several partitions
/// ("shards"), because one partition would limit the write rate. An entry's partition is
/// `<day>#<shard>`, and its sort key, which is also its position in the list, `<created_at>#<id>`.
#[derive(Debug, Clone, Copy)]
pub struct DayIndex {
    /// The index's name, such as `by_day`.
    pub index: &'static str,
    pub shards: u8,
    /// An id that sorts before all others.
    pub first_id: &'static str,
}

impl DayIndex {
    /// The key attributes that list the record with this id, to be written with the record itself.
    #[must_use]
    pub fn attributes(&self, id: impl Display, created_at: Timestamp) -> Item {
        let id = id.to_string();
        let shard = digest::sha256(&[id.as_bytes()])[0] % self.shards.max(1);
        let partition = day_partition(&created_at.day(), shard);
        Item::from([
            (format!("{}_pk", self.index), AttributeValue::S(partition)),
            (self.sort_attribute(), AttributeValue::S(format!("{created_at}#{id}"))),
        ])
    }

    fn sort_attribute(&self) -> String {
        format!("{}_sk", self.index)
    }

    /// The position after the last record of a day, newest first.
    #[must_use]
    pub fn end_of_day(&self, day: &str) -> String {
        format!("{day}T00:00:00.000Z#{}", self.first_id)
    }
}

fn day_partition(day: &str, shard: u8) -> String {
    format!("{day}#{shard}")
}

/// The last day that is known to be recorded. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RecordedDay(Arc<Mutex<Option<String>>>);

impl RecordedDay {
    /// Records the day of a record before it is created, so that no record is unlisted.
    ///
    /// # Errors
    /// [`StoreError`] when it isn't known whether the day was recorded.
    pub async fn record(&self, table: &Table, created_at: Timestamp) -> Result<(), StoreError> {
        let day = created_at.day();
        if *self.0.lock().unwrap_or_else(PoisonError::into_inner) == Some(day.clone()) {
            return Ok(());
        }
        match table.put(day_key(&day).item(), Precondition::Absent).await? {
            Write::Done | Write::Conflict(_) => {}
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(day);
        Ok(())
    }
}

/// The entries of a list.
#[derive(Debug)]
pub enum EntryList<'a> {
    /// A partition of an index.
    Partition(PartitionQuery<'a>),
    Days(DayList),
}

/// The newest days of a list.
#[derive(Debug)]
pub struct DayList {
    index: DayIndex,
    days: Vec<String>,
    /// Whether there are earlier days.
    has_more: bool,
}

/// Entries, and the position after which there may be more.
type EntryPage = (Vec<Item>, Option<String>);

/// The records that a list contains.
#[derive(Debug)]
pub struct ListedRecords<M, P> {
    /// The key of the record of an entry.
    pub key: fn(&Item) -> Result<Key, StoreError>,
    /// Whether a record is part of the list.
    pub matches: M,
    /// A record's position in the list.
    pub position: P,
}

impl Table {
    /// The newest days with records, from the day of a position on.
    ///
    /// # Errors
    /// [`StoreError`] when the table can't be read.
    pub async fn days(
        &self,
        index: DayIndex,
        position: Option<&str>,
    ) -> Result<EntryList<'static>, StoreError> {
        // A position's day is read again. It sorts before the day followed by `~`.
        let before = position
            .and_then(|position| position.split_once('T'))
            .map(|(day, _)| format!("{}~", day_key(day).sk));
        let query = PartitionQuery::table(DAYS).consistent().after(before.as_deref()).descending();
        let (items, next) = self.query(&query, LISTED_DAYS).await?;
        let days = items.iter().map(|item| {
            let key = item_key(item)?;
            let day = key.sk.strip_prefix("DAY#").map(str::to_owned);
            day.ok_or_else(|| StoreError::Corrupt(format!("{} isn't a day", key.sk)))
        });
        let days = days.collect::<Result<_, _>>()?;
        Ok(EntryList::Days(DayList { index, days, has_more: next.is_some() }))
    }

    /// A page of the records of a list that match, and the position after which there may be more.
    /// Chunks of the list are read until the page is full or 1,000 records were read: it can be
    /// short, or empty, although there are more.
    ///
    /// # Errors
    /// [`StoreError`] when the table can't be read.
    pub async fn list<T: DeserializeOwned + Send>(
        &self,
        list: &EntryList<'_>,
        records: ListedRecords<impl Fn(&T) -> bool + Send, impl Fn(&T) -> String + Send>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<T>, Option<String>), StoreError> {
        let mut position = position.map(str::to_owned);
        let mut found: Vec<T> = Vec::new();
        let mut left = READ_LIMIT;
        // Enough for a page if every record matches. Chunks of what is missing instead would end
        // with one record in each.
        let mut chunk = limit;
        loop {
            let (entries, next) = self.entries(list, position.as_deref(), chunk).await?;
            let keys: Vec<Key> = entries.iter().map(records.key).collect::<Result<_, _>>()?;
            for record in self.records(&keys).await? {
                if !(records.matches)(&record) {
                    continue;
                }
                if found.len() == limit as usize {
                    let position = found.last().map(&records.position);
                    return Ok((found, position));
                }
                found.push(record);
            }
            left = left.saturating_sub(u32::try_from(keys.len()).unwrap_or(left));
            let is_full = left == 0 || found.len() == limit as usize;
            if is_full || next.is_none() || keys.is_empty() {
                return Ok((found, next));
            }
            position = next;
            chunk = READ_CHUNK.min(left);
        }
    }

    /// The records with these keys, in that order.
    async fn records<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<T>, StoreError> {
        let mut items = self.batch_get(keys).await?;
        keys.iter().filter_map(|key| items.remove(key)).map(read_item).collect()
    }

    /// Up to `limit` entries after a position, newest first, or none if the next ones aren't listed
    /// here.
    async fn entries(
        &self,
        list: &EntryList<'_>,
        position: Option<&str>,
        limit: u32,
    ) -> Result<EntryPage, StoreError> {
        match list {
            EntryList::Partition(query) => {
                self.query(&query.clone().descending().after(position), limit).await
            }
            EntryList::Days(days) => self.entries_of_days(days, position, limit).await,
        }
    }

    /// Up to `limit` entries of these days, newest first.
    async fn entries_of_days(
        &self,
        list: &DayList,
        position: Option<&str>,
        limit: u32,
    ) -> Result<EntryPage, StoreError> {
        let DayList { index, days, has_more } = list;
        let mut entries = Vec::new();
        let mut missing = limit;
        for (at, day) in days.iter().enumerate() {
            let end = index.end_of_day(day);
            if position.is_some_and(|position| position <= end.as_str()) {
                continue;
            }
            let (found, next) = self.entries_of_day(index, day, position, missing).await?;
            missing = missing.saturating_sub(u32::try_from(found.len()).unwrap_or(missing));
            entries.extend(found);
            if next.is_some() || missing == 0 {
                let is_last = at + 1 == days.len() && !has_more;
                return Ok((entries, next.or_else(|| (!is_last).then_some(end))));
            }
        }
        Ok((entries, days.last().filter(|_| *has_more).map(|day| index.end_of_day(day))))
    }

    /// Up to `limit` entries of a day, newest first.
    async fn entries_of_day(
        &self,
        index: &DayIndex,
        day: &str,
        position: Option<&str>,
        limit: u32,
    ) -> Result<EntryPage, StoreError> {
        let share = limit.min(limit / u32::from(index.shards.max(1)) + SHARE_MARGIN);
        let shards = (0..index.shards).map(|shard| async move {
            let query = PartitionQuery::index(index.index, day_partition(day, shard));
            self.query(&query.after(position).descending(), share).await
        });
        let shards = try_join_all(shards).await?;
        // Older entries of a partition with more entries are unknown: the page ends with the newest
        // of these partitions' last entries.
        let known_to = shards.iter().filter_map(|(_, next)| next.clone()).max();
        let sort_attribute = index.sort_attribute();
        let mut entries = Vec::new();
        for entry in shards.into_iter().flat_map(|(entries, _)| entries) {
            let position = entry.get(&sort_attribute).and_then(|position| position.as_s().ok());
            let position = position.cloned();
            let position =
                position.ok_or_else(|| StoreError::Corrupt(format!("no {sort_attribute}")))?;
            if known_to.as_ref().is_none_or(|known_to| position >= *known_to) {
                entries.push((position, entry));
            }
        }
        entries.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        let is_cut = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        let last = entries.last().map(|(position, _)| position.clone());
        let next = if is_cut { last } else { known_to };
        Ok((entries.into_iter().map(|(_, entry)| entry).collect(), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: DayIndex = DayIndex { index: "by_day", shards: 8, first_id: "a_0" };

    #[test]
    fn the_end_of_a_day_is_beyond_all_of_its_records() {
        let midnight = Timestamp::parse("2026-11-26T00:00:00.000Z").unwrap();
        let attributes = INDEX.attributes("a_1", midnight);
        let position = attributes["by_day_sk"].as_s().unwrap();
        assert_eq!(position, "2026-11-26T00:00:00.000Z#a_1");
        assert!(INDEX.end_of_day("2026-11-26") < *position);
        let partition = attributes["by_day_pk"].as_s().unwrap();
        let shard = partition.strip_prefix("2026-11-26#").unwrap();
        assert!(shard.parse::<u8>().unwrap() < INDEX.shards);
    }
}
