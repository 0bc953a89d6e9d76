//! Indexes that lag behind their tables.

use rialto_kernel::Timestamp;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// How far an index lags at most. Longer than what DynamoDB's do, and shorter than the time that the
/// queue of orders-on-accounts waits for its index.
pub const MAX_LAG: Duration = Duration::from_secs(15);

/// An older state of a store, in which its indexes are read for a while. Clones share it.
#[derive(Debug, Clone)]
pub struct LaggingIndex<T> {
    now: Arc<AtomicI64>,
    older: Arc<Mutex<Option<(Timestamp, T)>>>,
}

impl<T: Clone> LaggingIndex<T> {
    /// An index that doesn't lag yet, with the run's time in milliseconds.
    #[must_use]
    pub fn new(now: Arc<AtomicI64>) -> Self {
        Self { now, older: Arc::default() }
    }

    /// Makes the index stay in this state for [`MAX_LAG`] at most. `state` must not share what it
    /// holds with the store.
    pub fn stop_at(&self, state: T) {
        *self.state() = Some((self.now(), state));
    }

    /// Makes the index catch up.
    pub fn catch_up(&self) {
        *self.state() = None;
    }

    /// The state that the index is in, if it lags.
    #[must_use]
    pub fn older(&self) -> Option<T> {
        let now = self.now();
        let state = self.state();
        let lagging = state.as_ref().filter(|(at, _)| now.since(*at) <= MAX_LAG);
        lagging.map(|(_, older)| older.clone())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    fn state(&self) -> MutexGuard<'_, Option<(Timestamp, T)>> {
        self.older.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
