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

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Write {
    Done,
    /// The item isn't in the state that the write expected: nothing was written.
    Conflict,
}
