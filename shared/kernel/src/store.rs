//! What can go wrong with a store, whichever it is.

/// A store didn't do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Throttled, contended, unreachable, or it isn't known whether the write happened: try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// An item isn't what this code writes.
    #[error("an item can't be read: {0}")]
    Corrupt(String),
}

/// The outcome of a conditional write. `C` is what the table holds instead, where the caller gets to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Write<C = ()> {
    Done,
    /// The item isn't in the state that the write expected: nothing was written.
    Conflict(C),
}

impl<C> Write<C> {
    /// Whether the write was done.
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Converts what a conflict carries.
    pub fn map_conflict<D>(self, convert: impl FnOnce(C) -> D) -> Write<D> {
        match self {
            Self::Done => Write::Done,
            Self::Conflict(found) => Write::Conflict(convert(found)),
        }
    }

    /// Drops what a conflict carries.
    pub fn unit(self) -> Write {
        self.map_conflict(drop)
    }
}
