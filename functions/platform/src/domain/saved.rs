//! The first answer under a key, kept to be given again.

use rialto_kernel::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a key is remembered.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse {
    pub status: u16,
    pub body: String,
}

/// The answer that a key led to, and to what request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// H(Idempotency-Key).
    pub key: String,
    /// H(path and body).
    pub request_hash: String,
    pub answer: StoredResponse,
    pub saved_at: Timestamp,
    /// Rises each time the key is used anew.
    pub version: u64,
}

impl IdempotencyRecord {
    #[must_use]
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        now.since(self.saved_at) >= RETENTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_forgotten_after_24_hours() {
        let saved_at = Timestamp::from_millis(1_000);
        let saved = IdempotencyRecord {
            key: "k".to_owned(),
            request_hash: "h".to_owned(),
            answer: StoredResponse { status: 200, body: String::new() },
            saved_at,
            version: 1,
        };
        assert!(!saved.is_forgotten(saved_at.plus(RETENTION - Duration::from_millis(1))));
        assert!(saved.is_forgotten(saved_at.plus(RETENTION)));
    }
}
