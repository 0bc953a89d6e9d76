use crate::ports::SessionEnder;
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

/// Why no session was ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    #[error("the account has no such session")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends one of the caller's sessions: a device that was lost.
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
