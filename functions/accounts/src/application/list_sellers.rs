use super::list_users::list_accounts;
use crate::{domain::account::Account, ports::AccountLister};
use rialto_kernel::{Role, StoreError};

/// Sellers' accounts, newest first, and where the list goes on if it does.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn list_sellers(
    store: &impl AccountLister,
    limit: u32,
    position: Option<&str>,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    list_accounts(store, Role::Seller, limit, position).await
}
