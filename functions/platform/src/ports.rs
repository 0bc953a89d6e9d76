//! Ports: health checks, the simulator's table and the delivery of its webhooks, implemented by
//! `adapters`.
//!
//! Stores fail with [`StoreError::Unavailable`] when they can't be reached, or when it isn't known
//! whether a write happened, and with [`StoreError::Corrupt`] for an item that can't be read.

use crate::domain::{health::Dependency, idempotency::IdempotencyRecord, intent::PaymentIntent};
use rialto_kernel::{StoreError, Timestamp, Write};

/// The receiver hasn't acknowledged a webhook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("webhook not delivered: {0}")]
pub struct DeliveryFailed(pub String);

pub trait Probe {
    /// Sends a cheap request to a dependency, with a timeout of a second.
    fn probe(&self, dependency: Dependency) -> impl Future<Output = Result<(), StoreError>> + Send;
}

pub trait IntentStore {
    fn intent(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<PaymentIntent>, StoreError>> + Send;

    /// A payment intent, and the stored response for an idempotency key.
    fn load(
        &self,
        id: &str,
        key: Option<&str>,
    ) -> impl Future<Output = Result<(Option<PaymentIntent>, Option<IdempotencyRecord>), StoreError>>
    + Send;

    /// Writes both or nothing, each over its previous version; [`Write::Conflict`] if another
    /// version is stored.
    fn write(
        &self,
        intent: Option<&PaymentIntent>,
        record: Option<&IdempotencyRecord>,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait RateLimiter {
    /// Counts a request in the current second, unless it has had `limit` already; returns whether
    /// it was counted.
    fn admit(
        &self,
        limit: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

pub trait WebhookSender {
    /// Posts an event with its signature. Fails unless it is acknowledged by a 2xx status.
    fn deliver(
        &self,
        body: &str,
        signature: &str,
    ) -> impl Future<Output = Result<(), DeliveryFailed>> + Send;
}
