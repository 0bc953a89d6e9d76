//! Limits of the orders placed and of the payments failed, for one buyer and for one IP address:
//! against tests of stolen cards, and against orders that only keep others from buying.
//!
//! They are counted in fixed windows, so that no transition of an order needs to count down: a
//! buyer has at most twice the limit of PENDING orders, half of them from the window before.

use rialto_kernel::{Counter, Increment, Timestamp, UserId, client_network, digest};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// The window of failed payments.
pub const FAILED_PAYMENTS_WINDOW: Duration = Duration::from_secs(3_600);

/// How many times the limits of a buyer an IP address has, which many buyers may share.
pub const BUYERS_PER_ADDRESS: u32 = 10;

/// A digest of the network that an order was placed from, so that no IP address is stored. It is
/// still personal data: all IPv4 addresses can be tried.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientDigest(String);

impl ClientDigest {
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        let network = client_network(address).to_string();
        Self(digest::hex(&digest::sha256(&[b"rialto client", network.as_bytes()])[..16]))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ClientDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientDigest(…)")
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    Placements,
    FailedPayments,
}

/// Whose events are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CountedSubject {
    Buyer(UserId),
    Client(ClientDigest),
}

/// The key of a counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey {
    pub counted: Counted,
    pub subject: CountedSubject,
}

/// One more event of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterIncrement {
    pub key: CounterKey,
    pub increment: Increment,
    pub now: Timestamp,
}

/// The limits of a buyer; 0 without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacementLimits {
    /// The orders placed within `window`.
    pub placements: u32,
    /// How long an order may be PENDING.
    pub window: Duration,
    /// The payments failed within [`FAILED_PAYMENTS_WINDOW`].
    pub failed_payments: u32,
}

/// A counter has reached its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitReached {
    pub until: Timestamp,
}

/// The subjects that an order of this buyer, placed from this client, is counted for.
pub fn counted_subjects(
    buyer: UserId,
    client: Option<&ClientDigest>,
) -> impl Iterator<Item = CountedSubject> {
    let client = client.cloned().map(CountedSubject::Client);
    [CountedSubject::Buyer(buyer)].into_iter().chain(client)
}

impl PlacementLimits {
    /// The counters that limit a placement.
    #[must_use]
    pub fn counters(&self, buyer: UserId, client: Option<&ClientDigest>) -> Vec<CounterKey> {
        let limited = [Counted::Placements, Counted::FailedPayments]
            .into_iter()
            .filter(|counted| self.of_buyer(*counted) > 0);
        let keys = limited.flat_map(|counted| {
            counted_subjects(buyer, client).map(move |subject| CounterKey { counted, subject })
        });
        keys.collect()
    }

    /// The increments of a placement, for counters as they were read.
    ///
    /// # Errors
    /// [`LimitReached`] if one has reached its limit; the last end of a window if several have.
    pub fn count_placement(
        &self,
        keys: Vec<CounterKey>,
        read: &HashMap<CounterKey, Counter>,
        now: Timestamp,
    ) -> Result<Vec<CounterIncrement>, LimitReached> {
        let blocked =
            keys.iter().filter_map(|key| read.get(key)?.blocked_until(self.limit(key), now));
        if let Some(until) = blocked.max() {
            return Err(LimitReached { until });
        }
        let placements = keys.into_iter().filter(|key| key.counted == Counted::Placements);
        let increments = placements.map(|key| {
            let increment = Increment::of(read.get(&key), self.limit(&key), self.window, now);
            CounterIncrement { key, increment, now }
        });
        Ok(increments.collect())
    }

    const fn of_buyer(&self, counted: Counted) -> u32 {
        match counted {
            Counted::Placements => self.placements,
            Counted::FailedPayments => self.failed_payments,
        }
    }

    const fn limit(&self, key: &CounterKey) -> u32 {
        let limit = self.of_buyer(key.counted);
        match key.subject {
            CountedSubject::Buyer(_) => limit,
            CountedSubject::Client(_) => limit.saturating_mul(BUYERS_PER_ADDRESS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{buyer, client, placement_limits};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn an_address_has_ten_times_the_limit_of_a_buyer() {
        let limits = PlacementLimits { placements: 3, ..placement_limits() };
        let keys = limits.counters(buyer(), Some(&client()));
        let window_ends = NOW.plus(limits.window);
        for (count, allowed) in [(29, true), (30, false)] {
            let client = CountedSubject::Client(client());
            let key = CounterKey { counted: Counted::Placements, subject: client };
            let read = HashMap::from([(key, Counter { count, window_ends })]);
            let counted = limits.count_placement(keys.clone(), &read, NOW);
            assert_eq!(counted.is_ok(), allowed, "{count}");
        }
    }

    #[test]
    fn nothing_is_counted_without_limits() {
        let limits = PlacementLimits { placements: 0, failed_payments: 0, ..placement_limits() };
        assert!(limits.counters(buyer(), Some(&client())).is_empty());
    }

    #[test]
    fn a_refusal_ends_with_the_last_window() {
        let limits = placement_limits();
        let keys = limits.counters(buyer(), None);
        assert_eq!(keys.len(), 2);
        let windows = [NOW.plus(Duration::from_secs(9)), NOW.plus(Duration::from_secs(7))];
        let full = |window_ends| Counter { count: u32::MAX, window_ends };
        let read = keys.iter().cloned().zip(windows.map(full)).collect();
        assert_eq!(
            limits.count_placement(keys, &read, NOW),
            Err(LimitReached { until: windows[0] })
        );
    }

    #[test]
    fn debug_output_has_no_digest() {
        assert!(!format!("{:?}", client()).contains(client().as_str()));
    }
}
