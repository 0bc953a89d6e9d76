use crate::ports::SessionEnder;
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

/// Ends the caller's session, for all services at once.
///
/// # Errors
/// [`StoreError`]; the session may go on then.
pub async fn log_out(
    store: &impl SessionEnder,
    account: AccountId,
    session: SessionId,
) -> Result<(), StoreError> {
    match store.end(account, session).await? {
        // Somebody else may have ended it since the gateway looked.
        Write::Done | Write::Conflict(()) => Ok(()),
    }
}
