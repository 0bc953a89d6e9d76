use crate::ports::SessionEnder;
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

/// Ends the caller's session, for all services at once.
///
/// # Errors
/// [`StoreError`]. The session may still be active.
pub async fn log_out(
    store: &impl SessionEnder,
    account: AccountId,
    session: SessionId,
) -> Result<(), StoreError> {
    match store.end(account, session).await? {
        // It may have been ended since the authorizer read it.
        Write::Done | Write::Conflict(()) => Ok(()),
    }
}
