//! The outcomes and errors of stores, and the loop that optimistic concurrency takes.

/// A store failed to do what it was called for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Throttled or unreachable, or it isn't known whether the write happened: try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store works, and nothing was written: other writes to the same item came first, time and again.
    #[error("concurrent updates kept colliding; try again")]
    Contended,
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

    /// The attempt of [`update`] that this write ends: done with `value`, or to be repeated.
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
    /// Another write came first: load again.
    Conflict,
}

/// The attempts of an [`update`]. Each conflict means that another write to the same item was done, so that a
/// caller runs out of attempts only behind as many writers at the same moment. An item has a few at most: its owner's
/// requests, and the consumers of some queues.
pub const MAX_ATTEMPTS: u32 = 10;

/// Loads, decides and writes by `attempt`, and again while another write comes first, [`MAX_ATTEMPTS`] times at most.
///
/// # Errors
/// What `attempt` fails with, and [`StoreError::Contended`] after the last attempt.
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

    /// Runs a future that never waits.
    fn run<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it waits"),
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
