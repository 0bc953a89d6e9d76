//! Items with a deadline, which a sweep processes once it has passed.

use crate::{StoreError, Timestamp, Write};

/// An item's entry in a list by deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry<T> {
    pub deadline: Timestamp,
    pub id: T,
}

/// A list of items by deadline, in several shards. It only lists candidates: it may lag behind the
/// items, which decide.
pub trait DueQueue {
    type Id;
    const SHARDS: u8;

    /// The first `limit` entries of a shard with a deadline of `now` or earlier, in order, beyond
    /// `after`; fewer only if there are no more.
    fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<Self::Id>>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DueEntry<Self::Id>>, StoreError>> + Send;

    /// Gives an entry a later deadline, also if its item can't be read; [`Write::Conflict`] if the
    /// item isn't listed with the entry's deadline any more.
    fn postpone(
        &self,
        entry: &DueEntry<Self::Id>,
        until: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
