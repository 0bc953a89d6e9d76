use crate::domain::{refresh_token::RefreshKey, signing_key::SigningSecret};
use rialto_kernel::{Role, StoreError, Write};
use rialto_lambda::token::Jwks;

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
    /// The key that signs this role's access tokens as it is kept now, whatever was read of it before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn current_signing_key(
        &self,
        role: Role,
    ) -> impl Future<Output = Result<Option<SigningSecret>, StoreError>> + Send;

    /// Keeps a role's first key; [`Write::Conflict`] if it has one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it is kept.
    fn add_signing_key(
        &self,
        role: Role,
        key: &SigningSecret,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Keeps another key for a role that has one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known which is kept.
    fn replace_signing_key(
        &self,
        role: Role,
        key: &SigningSecret,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps the key of the refresh tokens; [`Write::Conflict`] if there is one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it is kept.
    fn add_refresh_key(
        &self,
        key: &RefreshKey,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// The public keys that functions verify tokens with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn published(&self) -> impl Future<Output = Result<Jwks, StoreError>> + Send;

    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether they are published.
    fn publish(&self, keys: &Jwks) -> impl Future<Output = Result<(), StoreError>> + Send;
}
