//! Private signing keys.

use super::redacted_debug;

/// The stored private key that signs one role's access tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret {
    /// The key id in tokens and in the published key set.
    pub kid: String,
    pub pkcs8: Vec<u8>,
}

redacted_debug!(SigningSecret);
