use super::MemoryAccounts;
use crate::{
    domain::attempts::{Admission, Counter, WINDOW},
    ports::AttemptCounter,
};
use rialto_kernel::{StoreError, Timestamp};

impl AttemptCounter for MemoryAccounts {
    async fn count(&self, counter: &Counter, now: Timestamp) -> Result<Admission, StoreError> {
        let mut state = self.state();
        let (count, ends) = state.attempts.entry(counter.clone()).or_insert((0, now.plus(WINDOW)));
        if *ends <= now {
            (*count, *ends) = (0, now.plus(WINDOW));
        }
        if *count >= counter.limit() {
            return Ok(Admission::Refused { until: *ends });
        }
        *count += 1;
        Ok(Admission::Admitted)
    }

    async fn take_back(&self, counter: &Counter) -> Result<(), StoreError> {
        if let Some((count, _)) = self.state().attempts.get_mut(counter) {
            *count = count.saturating_sub(1);
        }
        Ok(())
    }

    async fn forget(&self, counter: &Counter) -> Result<(), StoreError> {
        self.state().attempts.remove(counter);
        Ok(())
    }
}
