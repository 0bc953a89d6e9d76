use crate::domain::attempts::{Admission, Counter};
use rialto_kernel::{StoreError, Timestamp};

pub trait AttemptCounter {
    /// Counts an attempt, unless as many as the counter allows were counted in the window that goes on at `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was counted.
    fn count(
        &self,
        counter: &Counter,
        now: Timestamp,
    ) -> impl Future<Output = Result<Admission, StoreError>> + Send;

    /// Takes one attempt back that shouldn't count after all; nothing if none is counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was taken back.
    fn take_back(&self, counter: &Counter) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets every attempt that was counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether they are forgotten.
    fn forget(&self, counter: &Counter) -> impl Future<Output = Result<(), StoreError>> + Send;
}
