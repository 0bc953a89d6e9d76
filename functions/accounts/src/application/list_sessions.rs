use crate::{domain::session::Session, ports::SessionLister};
use rialto_kernel::{AccountId, StoreError, Timestamp};

/// Lists the account's active sessions, newest first, and returns the position of the next page if
/// there may be one.
///
/// # Errors
/// [`StoreError`].
pub async fn list_sessions(
    store: &impl SessionLister,
    account: AccountId,
    limit: u32,
    position: Option<&str>,
    now: Timestamp,
) -> Result<(Vec<Session>, Option<String>), StoreError> {
    let (mut sessions, next) = store.sessions(account, limit, position).await?;
    // The table deletes expired sessions with a delay.
    sessions.retain(|session| session.is_active(now));
    Ok((sessions, next))
}
