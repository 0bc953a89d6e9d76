//! Requests about a line that carry an Idempotency-Key.

use rialto_kernel::digest;
use serde::{Deserialize, Serialize};

/// The digests of an Idempotency-Key and of its request, stored with the line that the request made
/// or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    key: String,
    body_hash: String,
}

/// Half of a SHA-256: an order has few records, and an item's size is limited.
fn half_digest(parts: &[&[u8]]) -> String {
    digest::hex(&digest::sha256(parts)[..16])
}

impl RequestRecord {
    /// The record of a request of this `action` on a line. The same key may be used for another
    /// action or line.
    #[must_use]
    pub fn new(action: &str, line_no: u32, idempotency_key: &str, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        let line = line_no.to_be_bytes();
        Self {
            key: half_digest(&[action.as_bytes(), &line, idempotency_key.as_bytes()]),
            body_hash: half_digest(&[&body]),
        }
    }

    #[must_use]
    pub fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_for_one_action_on_one_line() {
        let first = RequestRecord::new("split", 1, "k", &2);
        assert_eq!(first, RequestRecord::new("split", 1, "k", &2));
        let other_body = RequestRecord::new("split", 1, "k", &3);
        assert!(first.has_key_of(&other_body) && first != other_body);
        for other in [
            RequestRecord::new("cancel", 1, "k", &2),
            RequestRecord::new("split", 2, "k", &2),
            RequestRecord::new("split", 1, "l", &2),
        ] {
            assert!(!first.has_key_of(&other));
        }
    }
}
