//! The time limits of an order's lines, as they were set when it was placed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// How long each step may take. An order keeps the terms that it was placed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineTerms {
    /// A line that isn't accepted within this time is rejected.
    #[serde(with = "seconds")]
    pub accept_deadline: Duration,
    /// A held cancel request that isn't confirmed within this time is.
    #[serde(with = "seconds")]
    pub cancel_deadline: Duration,
    /// A cancel request that delivery hasn't responded to is published again after this time.
    #[serde(with = "seconds")]
    pub hold_retry: Duration,
    /// A line can be returned within this time of its delivery.
    #[serde(with = "seconds")]
    pub return_window: Duration,
    /// A return request that isn't answered within this time is granted.
    #[serde(with = "seconds")]
    pub return_deadline: Duration,
}

impl Default for LineTerms {
    /// The terms of orders that were placed before terms were stored.
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        Self {
            accept_deadline: hours(3 * 24),
            cancel_deadline: hours(3 * 24),
            hold_retry: hours(1),
            return_window: hours(14 * 24),
            return_deadline: hours(7 * 24),
        }
    }
}

mod seconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}
