use super::list_users::list_accounts;
use crate::{domain::account::Account, ports::AccountLister};
use rialto_kernel::{Role, StoreError};

/// Lists sellers' accounts, newest first, and returns the position of the next page if there is
/// one.
///
/// # Errors
/// [`StoreError`].
pub async fn list_sellers(
    store: &impl AccountLister,
    limit: u32,
    position: Option<&str>,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    list_accounts(store, Role::Seller, limit, position).await
}
