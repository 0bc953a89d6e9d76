//! A circuit breaker: closed it lets calls through; after some failures in a row it opens, and after a while lets one call
//! try (half-open), by which it closes or opens again.

use rialto_kernel::Timestamp;
use std::time::Duration;

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// How long it stays open before a call may try.
const OPEN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Set while open. A call that is let through to try moves it on, so that it is the only one.
    opened_at: Option<Timestamp>,
}

impl Breaker {
    /// Whether a call may go through now.
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        match self.opened_at {
            None => true,
            Some(opened_at) if now.since(opened_at) < OPEN => false,
            Some(_) => {
                self.opened_at = Some(now);
                true
            }
        }
    }

    pub(super) fn record(&mut self, succeeded: bool, now: Timestamp) {
        if succeeded {
            *self = Self::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.opened_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.admits(at(0)));
            breaker.record(false, at(0));
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let mut breaker = open();
        assert!(!breaker.admits(at(4_999)));
    }

    #[test]
    fn a_success_between_failures_starts_the_count_again() {
        let mut breaker = Breaker::default();
        for succeeded in [false, false, true, false, false] {
            breaker.record(succeeded, at(0));
        }
        assert!(breaker.admits(at(0)));
    }

    #[test]
    fn after_a_while_one_call_may_try() {
        let mut breaker = open();
        assert!(breaker.admits(at(5_000)));
        assert!(!breaker.admits(at(5_001)));
    }

    #[test]
    fn the_trying_call_closes_it_or_opens_it_again() {
        let mut closed = open();
        assert!(closed.admits(at(5_000)));
        closed.record(true, at(5_100));
        assert_eq!(closed, Breaker::default());

        let mut opened = open();
        assert!(opened.admits(at(5_000)));
        opened.record(false, at(6_000));
        assert!(!opened.admits(at(10_999)));
        assert!(opened.admits(at(11_000)));
    }

    #[test]
    fn a_trying_call_that_never_ends_does_not_hold_it_open_for_ever() {
        let mut breaker = open();
        assert!(breaker.admits(at(5_000)));
        assert!(breaker.admits(at(10_000)));
    }
}
