use crate::ports::SessionEnder;
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

/// Errors of ending a session.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    #[error("session not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends one of the caller's sessions, for example that of a lost device.
///
/// # Errors
/// [`EndSessionError`].
pub async fn end_session(
    store: &impl SessionEnder,
    account: AccountId,
    session: SessionId,
) -> Result<(), EndSessionError> {
    match store.end(account, session).await? {
        Write::Done => Ok(()),
        Write::Conflict(()) => Err(EndSessionError::NotFound),
    }
}
