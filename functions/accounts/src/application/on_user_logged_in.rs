use crate::ports::LastLoginWriter;
use rialto_contracts::accounts::UserLoggedIn;
use rialto_kernel::{StoreError, Write};

/// Records an account's last login, asynchronously to keep logins fast. A late event doesn't
/// overwrite a newer login.
///
/// # Errors
/// [`StoreError`]. The event is redelivered.
pub async fn on_user_logged_in(
    store: &impl LastLoginWriter,
    logged_in: &UserLoggedIn,
) -> Result<Write, StoreError> {
    store.record_login(logged_in.account_id, logged_in.at).await
}
