use crate::domain::rate_limit::{RateLimitDecision, RateLimitKey};
use rialto_kernel::{StoreError, Timestamp};

pub trait RateLimiter {
    /// Counts an attempt, unless `limit` attempts were counted in the key's window at `now`.
    fn acquire(
        &self,
        key: &RateLimitKey,
        limit: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<RateLimitDecision, StoreError>> + Send;

    /// Takes back one counted attempt, if there is any.
    fn refund(&self, key: &RateLimitKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes the counter.
    fn clear(&self, key: &RateLimitKey) -> impl Future<Output = Result<(), StoreError>> + Send;
}
