//! What lies outside: the service's table, the keys and the hashing of passwords, in the pieces that each use case needs.

use crate::domain::{
    contact::Email,
    credential::{Credential, Password, PasswordHash},
    refresh_token::RefreshKey,
    registration::Registration,
    session::Session,
    signing_key::SigningSecret,
};
use rialto_kernel::{AccountId, Role, SessionId, StoreError, Write};
use rialto_lambda::token::Jwks;

pub trait Registrar {
    /// Writes an account with all that it begins with; [`Write::Conflict`] if its email belongs to an account already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn register(&self, registration: &Registration)
    -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait CredentialReader {
    /// The credential of an email, compared without case.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn credential(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<Credential>, StoreError>> + Send;
}

pub trait SessionStarter {
    /// Writes a new session; [`Write::Conflict`] if the credential isn't any more what it was logged in with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn start(
        &self,
        session: &Session,
        credential: &Credential,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait SessionReader {
    /// The account's session with this id as it is now, in one read. Another account's is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn session(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;
}

/// The system has no randomness, or not the memory that hashing takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password can't be hashed")]
pub struct HashError;

/// Hashing of passwords: deliberate work of some ten milliseconds.
pub trait Passwords {
    /// # Errors
    /// [`HashError`].
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;

    /// Whether the hash is this password's. Costs the same whatever the answer.
    fn verify(&self, password: &Password, hash: &PasswordHash) -> bool;

    /// A hash to verify against where there is no account, so that this can't be told by the time it takes.
    fn decoy(&self) -> PasswordHash;
}

pub trait KeyReader {
    /// The key that signs this role's access tokens, if it was made.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn signing_key(
        &self,
        role: Role,
    ) -> impl Future<Output = Result<Option<SigningSecret>, StoreError>> + Send;

    /// The key of the refresh tokens, if it was made.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn refresh_key(&self) -> impl Future<Output = Result<Option<RefreshKey>, StoreError>> + Send;
}

/// Only the command line makes and publishes keys.
pub trait KeyWriter {
    /// Keeps a role's first key; [`Write::Conflict`] if it has one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it is kept.
    fn add_signing_key(
        &self,
        role: Role,
        key: &SigningSecret,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Keeps the key of the refresh tokens; [`Write::Conflict`] if there is one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it is kept.
    fn add_refresh_key(&self, key: &RefreshKey) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// The public keys that functions verify tokens with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn published(&self) -> impl Future<Output = Result<Jwks, StoreError>> + Send;

    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether they are published.
    fn publish(&self, keys: &Jwks) -> impl Future<Output = Result<(), StoreError>> + Send;
}
