use super::MemoryAccounts;
use crate::{
    domain::attempts::{RateLimitDecision, RateLimitKey, WINDOW},
    ports::RateLimiter,
};
use rialto_kernel::{StoreError, Timestamp};

impl RateLimiter for MemoryAccounts {
    async fn acquire(
        &self,
        counter: &RateLimitKey,
        now: Timestamp,
    ) -> Result<RateLimitDecision, StoreError> {
        let mut state = self.state();
        let (count, ends) = state.attempts.entry(counter.clone()).or_insert((0, now.plus(WINDOW)));
        if *ends <= now {
            (*count, *ends) = (0, now.plus(WINDOW));
        }
        if *count >= counter.limit() {
            return Ok(RateLimitDecision::Refused { until: *ends });
        }
        *count += 1;
        Ok(RateLimitDecision::Admitted)
    }

    async fn refund(&self, counter: &RateLimitKey) -> Result<(), StoreError> {
        if let Some((count, _)) = self.state().attempts.get_mut(counter) {
            *count = count.saturating_sub(1);
        }
        Ok(())
    }

    async fn clear(&self, counter: &RateLimitKey) -> Result<(), StoreError> {
        self.state().attempts.remove(counter);
        Ok(())
    }
}
