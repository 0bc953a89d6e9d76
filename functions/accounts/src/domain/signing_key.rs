use super::redacted_debug;

/// A private key that signs one role's access tokens, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret {
    /// The key's name in tokens and in the published set.
    pub kid: String,
    pub pkcs8: Vec<u8>,
}

redacted_debug!(SigningSecret);
