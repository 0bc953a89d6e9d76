use crate::domain::credential::{Password, PasswordHash};

/// The system has no randomness, or not the memory that hashing takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password can't be hashed")]
pub struct HashError;

/// Hashing of passwords: deliberate work of some ten milliseconds.
pub trait PasswordHasher {
    /// # Errors
    /// [`HashError`].
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;

    /// Whether the hash is this password's. Costs the same whatever the answer.
    fn verify(&self, password: &Password, hash: &PasswordHash) -> bool;

    /// A hash to verify against where there is no account, so that this can't be told by the time it takes.
    fn dummy_hash(&self) -> PasswordHash;
}
