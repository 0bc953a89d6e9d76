use crate::{domain::session::Session, ports::SessionLister};
use rialto_kernel::{AccountId, StoreError, Timestamp};

/// The account's sessions that go on, newest first, and where the list does.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn list_sessions(
    store: &impl SessionLister,
    account: AccountId,
    limit: u32,
    position: Option<&str>,
    now: Timestamp,
) -> Result<(Vec<Session>, Option<String>), StoreError> {
    let (mut sessions, next) = store.sessions(account, limit, position).await?;
    // The table forgets them some time after their end.
    sessions.retain(|session| session.is_active(now));
    Ok((sessions, next))
}
