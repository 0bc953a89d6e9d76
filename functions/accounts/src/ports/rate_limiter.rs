use crate::domain::rate_limit::{RateLimitDecision, RateLimitKey};
use rialto_kernel::{StoreError, Timestamp};

pub trait RateLimiter {
    /// Counts an attempt, unless as many as the counter allows were counted in the window that goes on at `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was counted.
    fn acquire(
        &self,
        counter: &RateLimitKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<RateLimitDecision, StoreError>> + Send;

    /// Takes one attempt back that shouldn't count after all; nothing if none is counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was taken back.
    fn refund(&self, counter: &RateLimitKey)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets every attempt that was counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether they are forgotten.
    fn clear(&self, counter: &RateLimitKey) -> impl Future<Output = Result<(), StoreError>> + Send;
}
