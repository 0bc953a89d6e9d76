use crate::domain::{
    refresh_token::{RefreshKey, RefreshKeys},
    signing_key::SigningSecret,
};
use rialto_kernel::{Role, StoreError, Write};
use rialto_lambda::token::Jwks;

pub trait KeyReader {
    /// The key that signs this role's access tokens, if there is one. May be cached.
    fn signing_key(
        &self,
        role: Role,
    ) -> impl Future<Output = Result<Option<SigningSecret>, StoreError>> + Send;

    /// The keys of the refresh tokens, if there are any. May be cached.
    fn refresh_keys(&self) -> impl Future<Output = Result<Option<RefreshKeys>, StoreError>> + Send;
}

/// Creation and publication of keys, for the command line only.
pub trait KeyWriter {
    /// The stored key that signs this role's access tokens. Never cached.
    fn current_signing_key(
        &self,
        role: Role,
    ) -> impl Future<Output = Result<Option<SigningSecret>, StoreError>> + Send;

    /// Stores a role's first key; [`Write::Conflict`] if it has one.
    fn add_signing_key(
        &self,
        role: Role,
        key: &SigningSecret,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Replaces a role's key.
    fn replace_signing_key(
        &self,
        role: Role,
        key: &SigningSecret,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stores the first key of the refresh tokens; [`Write::Conflict`] if there is one.
    fn add_refresh_key(
        &self,
        key: &RefreshKey,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// The published keys, with which functions verify tokens.
    fn published(&self) -> impl Future<Output = Result<Jwks, StoreError>> + Send;

    fn publish(&self, keys: &Jwks) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Rotation of the keys of refresh tokens, for the command line only.
pub trait RefreshKeyWriter {
    /// The stored keys of the refresh tokens. Never cached.
    fn current_refresh_keys(
        &self,
    ) -> impl Future<Output = Result<Option<RefreshKeys>, StoreError>> + Send;

    /// Replaces the keys of the refresh tokens. Not conditional: a concurrent writer's change may
    /// be lost.
    fn replace_refresh_keys(
        &self,
        keys: &RefreshKeys,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
