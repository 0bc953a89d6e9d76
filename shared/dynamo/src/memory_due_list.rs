//! The list of a [`DueIndex`] in memory.

use crate::DueIndex;
use rialto_kernel::{DueEntry, Timestamp, Write};
use std::{collections::BTreeMap, fmt::Display};

/// What an index by deadline lists, for stores in memory.
#[derive(Debug, Clone)]
pub struct MemoryDueList<T> {
    deadlines: BTreeMap<T, Timestamp>,
}

impl<T> Default for MemoryDueList<T> {
    fn default() -> Self {
        Self { deadlines: BTreeMap::new() }
    }
}

impl<T: Copy + Ord + Display> MemoryDueList<T> {
    /// Lists an item by its deadline; without one it isn't listed.
    pub fn set(&mut self, id: T, deadline: Option<Timestamp>) {
        match deadline {
            Some(deadline) => self.deadlines.insert(id, deadline),
            None => self.deadlines.remove(&id),
        };
    }

    /// Returns what [`Table::due`](crate::Table::due) reads.
    #[must_use]
    pub fn due(
        &self,
        index: &DueIndex,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<T>>,
        limit: usize,
    ) -> Vec<DueEntry<T>> {
        let entries = self.deadlines.iter().map(|(&id, &deadline)| DueEntry { deadline, id });
        let mut due: Vec<_> = entries
            .filter(|entry| entry.deadline <= now && after.is_none_or(|after| entry > after))
            .filter(|entry| index.shard_of(&entry.id.to_string()) == shard)
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        due
    }

    /// Does what [`Table::postpone`](crate::Table::postpone) does.
    pub fn postpone(&mut self, entry: &DueEntry<T>, until: Timestamp) -> Write {
        match self.deadlines.get_mut(&entry.id) {
            Some(deadline) if *deadline == entry.deadline => {
                *deadline = until;
                Write::Done
            }
            _ => Write::Conflict(()),
        }
    }
}
