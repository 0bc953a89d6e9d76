//! Pauses between attempts.

use std::time::Duration;

/// Exponential pauses with full jitter: each is random, between nothing and an upper limit that
/// doubles with each attempt. Callers that failed together don't return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The upper limit of the first pause.
    pub first: Duration,
    /// The upper limit of every pause.
    pub longest: Duration,
}

impl Backoff {
    /// A pause after this many failed attempts, from 1.
    #[must_use]
    pub fn pause(&self, attempts: u32) -> Duration {
        random_below(self.limit(attempts))
    }

    /// The upper limit of the pause after this many failed attempts.
    #[must_use]
    pub fn limit(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// A duration between zero and `limit`, uniformly distributed. Without the system's randomness half
/// of `limit`.
#[must_use]
pub fn random_below(limit: Duration) -> Duration {
    let mut random = [0; 4];
    if getrandom::fill(&mut random).is_err() {
        return limit / 2;
    }
    limit.mul_f64(f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

    #[test]
    fn the_limit_of_a_pause_doubles_up_to_the_longest() {
        let limits = [1, 2, 3, 5, 6, 40, u32::MAX].map(|attempts| BACKOFF.limit(attempts));
        assert_eq!(
            limits.map(|limit| limit.as_millis()),
            [100, 200, 400, 1_600, 2_000, 2_000, 2_000]
        );
    }

    #[test]
    fn pauses_are_spread_below_their_limit() {
        let pauses: Vec<_> = (0..100).map(|_| BACKOFF.pause(6)).collect();
        assert!(pauses.iter().all(|pause| *pause <= BACKOFF.longest));
        let short = pauses.iter().filter(|pause| **pause < BACKOFF.longest / 2).count();
        assert!((10..90).contains(&short), "{short} of 100 are in the lower half");
    }
}
