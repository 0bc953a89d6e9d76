//! Stored responses for idempotency keys.

use rialto_kernel::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The time for which a response is stored under its key.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// A response as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse {
    pub status: u16,
    pub body: String,
}

/// The first response for an idempotency key, with the request it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// SHA-256 of the `Idempotency-Key`, in hex.
    pub key: String,
    /// SHA-256 of path and body, in hex.
    pub request_hash: String,
    #[serde(rename = "answer")]
    pub response: StoredResponse,
    pub saved_at: Timestamp,
    /// Incremented each time the key is used again after its response has expired.
    pub version: u64,
}

impl IdempotencyRecord {
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.since(self.saved_at) >= RETENTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_response_expires_after_24_hours() {
        let saved_at = Timestamp::from_millis(1_000);
        let record = IdempotencyRecord {
            key: "k".to_owned(),
            request_hash: "h".to_owned(),
            response: StoredResponse { status: 200, body: String::new() },
            saved_at,
            version: 1,
        };
        assert!(!record.is_expired(saved_at.plus(RETENTION - Duration::from_millis(1))));
        assert!(record.is_expired(saved_at.plus(RETENTION)));
    }
}
