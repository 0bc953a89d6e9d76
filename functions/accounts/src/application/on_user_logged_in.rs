use crate::ports::LastLoginWriter;
use rialto_contracts::accounts::UserLoggedIn;
use rialto_kernel::{StoreError, Write};

/// Keeps when an account has logged in last, out of login's way. Only ever forward: a late event changes nothing.
///
/// # Errors
/// [`StoreError`]: the event comes again.
pub async fn on_user_logged_in(
    store: &impl LastLoginWriter,
    logged_in: &UserLoggedIn,
) -> Result<Write, StoreError> {
    store.record_login(logged_in.account_id, logged_in.at).await
}
