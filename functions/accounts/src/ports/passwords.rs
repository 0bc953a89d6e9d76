use crate::domain::credential::{Password, PasswordHash};

/// Hashing failed: no randomness for the salt, or not enough memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hashing the password failed")]
pub struct HashError;

/// Password hashing, which takes tens of milliseconds by design.
pub trait PasswordHasher {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;

    /// Whether the hash is this password's. Takes the same time either way.
    fn verify(&self, password: &Password, hash: &PasswordHash) -> bool;

    /// A hash to verify against when there is no account, so that the response time doesn't reveal
    /// this.
    fn dummy_hash(&self) -> PasswordHash;
}
