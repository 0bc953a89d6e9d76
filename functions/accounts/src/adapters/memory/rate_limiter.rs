use super::MemoryAccounts;
use crate::{
    domain::rate_limit::{RATE_LIMIT_WINDOW, RateLimitDecision, RateLimitKey},
    ports::RateLimiter,
};
use rialto_kernel::{StoreError, Timestamp};

impl RateLimiter for MemoryAccounts {
    async fn acquire(
        &self,
        key: &RateLimitKey,
        limit: u32,
        now: Timestamp,
    ) -> Result<RateLimitDecision, StoreError> {
        let mut state = self.state();
        let (count, ends) =
            state.attempts.entry(key.clone()).or_insert((0, now.plus(RATE_LIMIT_WINDOW)));
        if *ends <= now {
            (*count, *ends) = (0, now.plus(RATE_LIMIT_WINDOW));
        }
        if *count >= limit {
            return Ok(RateLimitDecision::Denied { until: *ends });
        }
        *count += 1;
        Ok(RateLimitDecision::Allowed)
    }

    async fn refund(&self, key: &RateLimitKey) -> Result<(), StoreError> {
        if let Some((count, _)) = self.state().attempts.get_mut(key) {
            *count = count.saturating_sub(1);
        }
        Ok(())
    }

    async fn clear(&self, key: &RateLimitKey) -> Result<(), StoreError> {
        self.state().attempts.remove(key);
        Ok(())
    }
}
