//! Issuing of tokens, for logging in and refreshing.

use crate::{
    domain::refresh_token::{RefreshKeys, RefreshToken},
    ports::KeyReader,
};
use rialto_aws::Stage;
use rialto_kernel::{AccountId, Role, SessionId, StoreError, Timestamp};
use rialto_lambda::token::{Claims, KeyError, SigningKey};

/// The tokens of a session.
pub struct SessionTokens {
    pub account_id: AccountId,
    pub session_id: SessionId,
    pub access_token: String,
    pub refresh_token: RefreshToken,
    /// When the session expires, unless it is refreshed.
    pub expires_at: Timestamp,
}

/// Errors of issuing tokens.
#[derive(Debug, thiserror::Error)]
pub enum IssueTokensError {
    #[error("no signing key for {0} accounts: run `rialto keys init`")]
    NoSigningKey(Role),
    #[error("no key for refresh tokens: run `rialto keys init`")]
    NoRefreshKey,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of refresh tokens.
pub(super) async fn refresh_keys(keys: &impl KeyReader) -> Result<RefreshKeys, IssueTokensError> {
    keys.refresh_keys().await?.ok_or(IssueTokensError::NoRefreshKey)
}

/// Issues an access token, signed with the key of the account's role.
pub(super) async fn access_token(
    keys: &impl KeyReader,
    stage: &Stage,
    account_id: AccountId,
    session_id: SessionId,
    now: Timestamp,
) -> Result<String, IssueTokensError> {
    let role = account_id.role();
    let signing = keys.signing_key(role).await?.ok_or(IssueTokensError::NoSigningKey(role))?;
    let claims = Claims::new(stage, account_id.to_string(), session_id, role, now);
    Ok(SigningKey::from_pkcs8(signing.kid, &signing.pkcs8)?.sign(&claims)?)
}
