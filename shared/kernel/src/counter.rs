//! Counters of events in fixed windows of time.

use crate::Timestamp;
use std::time::Duration;

/// The events counted in a window that ends at `window_ends`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    pub count: u32,
    pub window_ends: Timestamp,
}

/// How a counter is incremented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Increment {
    /// In its window, which must not have ended, up to `limit`.
    InWindow { limit: u32 },
    /// In a new window until `ends`. The counter must not exist, or its window must have ended.
    NewWindow { ends: Timestamp },
}

impl Counter {
    /// When the window ends, if `limit` is reached in it.
    #[must_use]
    pub fn blocked_until(&self, limit: u32, now: Timestamp) -> Option<Timestamp> {
        (self.window_ends > now && self.count >= limit).then_some(self.window_ends)
    }
}

impl Increment {
    /// The increment of a counter as it was read: in its window, or in a new one of this length.
    #[must_use]
    pub fn of(read: Option<&Counter>, limit: u32, window: Duration, now: Timestamp) -> Self {
        match read {
            Some(counter) if counter.window_ends > now => Self::InWindow { limit },
            _ => Self::NewWindow { ends: now.plus(window) },
        }
    }

    /// The counter after the increment; `None` if its condition isn't met.
    #[must_use]
    pub fn apply(self, stored: Option<&Counter>, now: Timestamp) -> Option<Counter> {
        let open = stored.filter(|counter| counter.window_ends > now);
        match (self, open) {
            (Self::InWindow { limit }, Some(open)) if open.count < limit => {
                Some(Counter { count: open.count + 1, ..*open })
            }
            (Self::NewWindow { ends }, None) => Some(Counter { count: 1, window_ends: ends }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn a_counter_blocks_at_its_limit_until_its_window_ends() {
        let increment = |read: Option<&Counter>, now| Increment::of(read, 2, WINDOW, now);
        let first = increment(None, NOW).apply(None, NOW).unwrap();
        assert_eq!(first, Counter { count: 1, window_ends: NOW.plus(WINDOW) });
        assert_eq!(first.blocked_until(2, NOW), None);
        let second = increment(Some(&first), NOW).apply(Some(&first), NOW).unwrap();
        assert_eq!(second.blocked_until(2, NOW), Some(NOW.plus(WINDOW)));
        assert_eq!(increment(Some(&second), NOW).apply(Some(&second), NOW), None);

        let later = NOW.plus(WINDOW);
        assert_eq!(second.blocked_until(2, later), None);
        let next = increment(Some(&second), later).apply(Some(&second), later).unwrap();
        assert_eq!(next, Counter { count: 1, window_ends: later.plus(WINDOW) });
    }

    #[test]
    fn an_increment_fails_if_the_window_is_another_than_was_read() {
        let opened = Counter { count: 1, window_ends: NOW.plus(WINDOW) };
        assert_eq!(Increment::of(None, 2, WINDOW, NOW).apply(Some(&opened), NOW), None);
        let ended = NOW.plus(WINDOW);
        let within = Increment::of(Some(&opened), 2, WINDOW, NOW);
        assert_eq!(within.apply(Some(&opened), ended), None);
    }
}
