//! A circuit breaker. Closed, it admits calls. After some failures in a row it opens; after a while
//! it admits one trial call (half-open), which closes it or opens it again.

use rialto_kernel::Timestamp;
use std::time::Duration;

/// The failures in a row that open the breaker.
const FAILURE_THRESHOLD: u32 = 3;
/// The time that the breaker stays open before a trial call.
const OPEN_DURATION: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Set while open. A trial call resets it to now, so that there is only one at a time.
    opened_at: Option<Timestamp>,
}

impl Breaker {
    /// Whether a call may go through now.
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        match self.opened_at {
            None => true,
            Some(opened_at) if now.since(opened_at) < OPEN_DURATION => false,
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
        if self.failures >= FAILURE_THRESHOLD {
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
        for _ in 0..FAILURE_THRESHOLD {
            assert!(breaker.admits(at(0)));
            breaker.record(false, at(0));
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_the_breaker() {
        let mut breaker = open();
        assert!(!breaker.admits(at(4_999)));
    }

    #[test]
    fn a_success_resets_the_failure_count() {
        let mut breaker = Breaker::default();
        for succeeded in [false, false, true, false, false] {
            breaker.record(succeeded, at(0));
        }
        assert!(breaker.admits(at(0)));
    }

    #[test]
    fn an_open_breaker_admits_one_trial_call() {
        let mut breaker = open();
        assert!(breaker.admits(at(5_000)));
        assert!(!breaker.admits(at(5_001)));
    }

    #[test]
    fn the_trial_call_closes_or_reopens_the_breaker() {
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
    fn a_trial_call_that_never_ends_is_followed_by_another() {
        let mut breaker = open();
        assert!(breaker.admits(at(5_000)));
        assert!(breaker.admits(at(10_000)));
    }
}
