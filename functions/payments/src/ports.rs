//! Ports: one small trait per use case, and the payment provider; implemented by `adapters`. The
//! payments that are due are a [`DueQueue`](rialto_kernel::DueQueue).
//!
//! Methods of stores fail with [`StoreError`] if the store can't be read, or if the outcome of a
//! write is unknown; methods of the provider with [`ProviderError`]. Futures are `Send`, because
//! the Lambda runtime polls them on any thread.

use crate::domain::{
    dispute::{DisputeId, DisputeReport},
    intent::{DeclineCode, IntentId, IntentState, NextAction},
    ledger::LedgerEntry,
    payment::{Charge, Payment, PaymentState, PaymentUpdate},
    refund::{Refund, RefundProgress},
};
use rialto_kernel::{OrderId, StoreError, Write};
use std::time::Duration;

pub trait PaymentReader {
    fn payment(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Option<Payment>, StoreError>> + Send;
}

pub trait PaymentWriter {
    /// Stores the payment, its ledger entry and its events, or nothing. A conflict carries the
    /// stored payment.
    fn save(
        &self,
        change: &PaymentUpdate,
    ) -> impl Future<Output = Result<Write<Box<Payment>>, StoreError>> + Send;
}

/// A page of a list, and the position after which there may be more.
pub type PaymentPage = (Vec<Payment>, Option<String>);

pub trait PaymentLister {
    /// All payments with a charge, newest first, optionally only those in `state`. A page may be
    /// short, or empty, although another one follows.
    fn list_all(
        &self,
        state: Option<PaymentState>,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<PaymentPage, StoreError>> + Send;
}

pub trait LedgerReader {
    /// An order's ledger entries, oldest first.
    fn entries(
        &self,
        order: OrderId,
    ) -> impl Future<Output = Result<Vec<LedgerEntry>, StoreError>> + Send;
}

/// A request to the payment provider failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Refused for good: nothing was changed.
    #[error("payment provider refused the request: {0}")]
    Refused(DeclineCode),
    /// Refused for now, by a rate limit or a lock: nothing was changed.
    #[error("payment provider busy: {reason}")]
    Busy { reason: String, retry_after: Option<Duration> },
    /// The request may have been processed. Read the provider's state before repeating it.
    #[error("payment provider outcome unknown: {0}")]
    Unknown(String),
    /// As [`Unknown`](Self::Unknown), but the provider asks not to repeat the request.
    #[error("payment provider asks not to repeat the request: {0}")]
    Unrepeatable(String),
}

/// The part of the payment provider that buyers need.
pub trait ActionProvider {
    /// How the buyer can authenticate a charge; `None` if the intent doesn't require it now.
    fn next_action(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Option<NextAction>, ProviderError>> + Send;
}

/// The payment provider. What can be repeated without a check in between is repeated by the
/// implementation: every request except [`Provider::confirm_intent`].
pub trait Provider {
    /// Waits before a request is repeated that failed this many times, at last with this error.
    /// Returns `false`, without waiting, if it is not to be repeated in this invocation.
    fn wait_to_repeat(
        &self,
        failures: u32,
        error: &ProviderError,
    ) -> impl Future<Output = bool> + Send;

    /// Creates an intent, which charges nothing until it is confirmed. Repeated for one order, it
    /// returns the same intent, as long as the provider retains idempotency keys.
    fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> impl Future<Output = Result<IntentId, ProviderError>> + Send;

    fn retrieve_intent(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<IntentState, ProviderError>> + Send;

    /// Charges. A decline isn't an error but [`IntentState::Failed`]; an intent that can't be
    /// confirmed in its state, such as a second time, is [`ProviderError::Refused`].
    fn confirm_intent(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<IntentState, ProviderError>> + Send;

    /// Cancels an intent, which can't be charged any more; [`ProviderError::Refused`] if its charge
    /// has ended or can't be stopped.
    fn cancel_intent(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<IntentState, ProviderError>> + Send;

    /// A refund's progress, by all of its tries; `None` if another is to be created.
    fn find_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> impl Future<Output = Result<Option<RefundProgress>, ProviderError>> + Send;

    /// Refunds money. Repeated, a try refunds once, as long as the provider retains idempotency
    /// keys.
    fn create_refund(
        &self,
        order: OrderId,
        intent: &IntentId,
        refund: &Refund,
    ) -> impl Future<Output = Result<RefundProgress, ProviderError>> + Send;
}

/// The disputes at the payment provider.
pub trait DisputeProvider {
    /// A dispute; [`ProviderError::Refused`] if it doesn't exist.
    fn retrieve_dispute(
        &self,
        dispute: &DisputeId,
    ) -> impl Future<Output = Result<DisputeReport, ProviderError>> + Send;

    /// The order that an intent charges; `None` for one that no order has created.
    fn intent_order(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Option<OrderId>, ProviderError>> + Send;
}
