//! What lies outside: the dependencies whose health is asked for, the simulator's table, and who hears its webhooks.

use crate::domain::{health::Dependency, intent::Intent, saved::IdempotencyRecord};
use rialto_kernel::{StoreError, Write};

/// A webhook wasn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook wasn't taken: {0}")]
pub struct DeliveryFailed(pub String);

pub trait Probe {
    /// Asks a dependency something cheap, for a second at most.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it doesn't answer.
    fn probe(&self, dependency: Dependency) -> impl Future<Output = Result<(), StoreError>> + Send;
}

pub trait Intents {
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn intent(&self, id: &str) -> impl Future<Output = Result<Option<Intent>, StoreError>> + Send;

    /// An intent, and the answer that is kept under this key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn load(
        &self,
        id: &str,
        key: Option<&str>,
    ) -> impl Future<Output = Result<(Option<Intent>, Option<IdempotencyRecord>), StoreError>> + Send;

    /// Writes each of them over its version before, or nothing; [`Write::Conflict`] if one isn't as it was.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn write(
        &self,
        intent: Option<&Intent>,
        saved: Option<&IdempotencyRecord>,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait WebhookSender {
    /// Posts an event, signed.
    ///
    /// # Errors
    /// [`NotTaken`] unless it is acknowledged.
    fn deliver(
        &self,
        body: &str,
        signature: &str,
    ) -> impl Future<Output = Result<(), DeliveryFailed>> + Send;
}
