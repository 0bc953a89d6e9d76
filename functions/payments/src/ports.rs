//! What lies outside: the service's table, in the pieces that each use case needs, and the payment provider.

use crate::domain::{
    intent::{DeclineCode, IntentId, IntentState},
    ledger::LedgerEntry,
    payment::{Charge, Payment, PaymentUpdate},
    refund::{Refund, RefundProgress},
};
use rialto_kernel::{OrderId, RefundId, StoreError, Timestamp, Write};

pub trait PaymentReader {
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn payment(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Option<Payment>, StoreError>> + Send;
}

pub trait PaymentWriter {
    /// Writes the payment, its ledger entry and its events, or nothing. A conflict carries the payment that is there instead.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn save(
        &self,
        change: &PaymentUpdate,
    ) -> impl Future<Output = Result<Write<Box<Payment>>, StoreError>> + Send;
}

pub trait ExpiredPayments {
    /// Orders whose payments have something under way that should have ended by `now`, `limit` at most: as an index has
    /// them, which may lag.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn due_before(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<OrderId>, StoreError>> + Send;
}

pub trait LedgerReader {
    /// An order's entries, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn entries(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Vec<LedgerEntry>, StoreError>> + Send;
}

/// The provider didn't do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It refused, for good: nothing happened.
    #[error("the provider refuses: {0}")]
    Refused(DeclineCode),
    /// It isn't known whether anything happened. Look before trying again.
    #[error("the provider's answer isn't known: {0}")]
    Unknown(String),
}

/// Who moves the money.
pub trait Provider {
    /// Makes a charge known to the provider; nothing is charged until it is confirmed. Made twice for one order, it is
    /// the same intent, unless the first time is long ago.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> impl Future<Output = Result<IntentId, ProviderError>> + Send;

    /// # Errors
    /// [`ProviderError`].
    fn retrieve_intent(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<IntentState, ProviderError>> + Send;

    /// Charges. A decline is an answer: [`IntentState::Failed`].
    ///
    /// # Errors
    /// [`ProviderError::Refused`] when the intent can't be confirmed as it is, such as a second time.
    fn confirm_intent(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<IntentState, ProviderError>> + Send;

    /// Ends an intent that hasn't ended; it can't be charged any more.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] when it has ended.
    fn cancel_intent(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<IntentState, ProviderError>> + Send;

    /// What became of a refund, if the provider was ever asked for it.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn find_refund(
        &self,
        intent: &IntentId,
        refund: RefundId,
    ) -> impl Future<Output = Result<Option<RefundProgress>, ProviderError>> + Send;

    /// Gives money back. Asked twice, it is given once, unless the first time is long ago.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn create_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> impl Future<Output = Result<RefundProgress, ProviderError>> + Send;
}
