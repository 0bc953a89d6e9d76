//! Outcomes and errors of stores, and the retry loop of optimistic concurrency.

/// A store operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Throttled or unreachable, or the outcome of the write is unknown. Retryable.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nothing was written, as concurrent writes to the same item always came first. Retryable.
    #[error("concurrent updates kept colliding; try again")]
    Contended,
    /// A stored item doesn't have the form that this code writes.
    #[error("an item can't be read: {0}")]
    Corrupt(String),
    /// The position of a list isn't one that the list returned: a forged cursor.
    #[error("the position isn't one of this list")]
    InvalidPosition,
}

/// The outcome of a conditional write. `C` is the data that a conflict carries, such as the item
/// that is stored instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Write<C = ()> {
    Done,
    /// The condition failed, and nothing was written.
    Conflict(C),
}

impl<C> Write<C> {
    /// Whether the write was done.
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Converts the data of a conflict.
    pub fn map_conflict<D>(self, convert: impl FnOnce(C) -> D) -> Write<D> {
        match self {
            Self::Done => Write::Done,
            Self::Conflict(found) => Write::Conflict(convert(found)),
        }
    }

    /// Drops the data of a conflict.
    pub fn unit(self) -> Write {
        self.map_conflict(drop)
    }

    /// Ends an attempt of [`update`]: with `value` if the write was done.
    pub fn into_attempt<T>(self, value: T) -> Attempt<T> {
        match self {
            Self::Done => Attempt::Done(value),
            Self::Conflict(_) => Attempt::Conflict,
        }
    }
}

/// The outcome of one attempt to load, decide and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Attempt<T = ()> {
    /// Written, or there was nothing to write.
    Done(T),
    /// A concurrent write came first; load again.
    Conflict,
}

/// The bound on the attempts of an [`update`]. A conflict means that a concurrent write succeeded,
/// so an update only fails when it meets this many of them. An item has a few writers at most: its
/// owner's requests and some consumers.
pub const MAX_ATTEMPTS: u32 = 10;

/// Runs `attempt`, which loads, decides and writes, until it is done; at most [`MAX_ATTEMPTS`]
/// times.
///
/// # Errors
/// The error of `attempt`, or [`StoreError::Contended`] after the last conflict.
pub async fn update<T, E, F>(mut attempt: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<Attempt<T>, E>>,
    E: From<StoreError>,
{
    for _ in 0..MAX_ATTEMPTS {
        if let Attempt::Done(value) = attempt().await? {
            return Ok(value);
        }
    }
    Err(StoreError::Contended.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cell::Cell,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    /// Polls a future that is ready at once.
    fn run<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the future is pending"),
        }
    }

    fn attempts_until_done(conflicts: u32) -> (Result<u32, StoreError>, u32) {
        let made = Cell::new(0);
        let result = run(update(|| async {
            made.set(made.get() + 1);
            let write = if made.get() > conflicts { Write::Done } else { Write::Conflict("newer") };
            Ok(write.into_attempt(made.get()))
        }));
        (result, made.get())
    }

    #[test]
    fn an_update_is_repeated_after_a_conflict() {
        assert_eq!(attempts_until_done(0), (Ok(1), 1));
        assert_eq!(attempts_until_done(3), (Ok(4), 4));
    }

    #[test]
    fn an_update_that_keeps_colliding_is_contended() {
        let last = MAX_ATTEMPTS;
        assert_eq!(attempts_until_done(last - 1), (Ok(last), last));
        assert_eq!(attempts_until_done(last), (Err(StoreError::Contended), last));
    }

    #[test]
    fn an_error_ends_an_update() {
        let made = Cell::new(0);
        let failed: Result<(), _> = run(update(|| async {
            made.set(made.get() + 1);
            Err(StoreError::Corrupt("torn".to_owned()))
        }));
        assert_eq!((failed, made.get()), (Err(StoreError::Corrupt("torn".to_owned())), 1));
    }

    #[test]
    fn an_update_can_move_between_threads() {
        fn is_send(_: &impl Send) {}
        let item = std::sync::Mutex::new(0);
        let item = &item;
        is_send(&update(|| async move {
            std::future::ready(()).await;
            Ok::<_, StoreError>(Attempt::Done(*item.lock().unwrap()))
        }));
    }

    #[test]
    fn a_conflict_can_carry_what_was_found() {
        let conflict: Write<u32> = Write::Conflict(7);
        assert_eq!(conflict.map_conflict(|found| found + 1), Write::Conflict(8));
        assert_eq!(conflict.unit(), Write::Conflict(()));
        assert!(Write::<u32>::Done.is_done() && !conflict.is_done());
    }
}
