use crate::{
    domain::account::Account,
    ports::{AccountReader, OrdersClient},
};
use rialto_contracts::internal::orders::RecentOrder;
use rialto_kernel::{AccountId, StoreError, UserId};

/// The buyer's newest orders, if requested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RecentOrders {
    #[default]
    NotRequested,
    Loaded(Vec<RecentOrder>),
    /// The orders service doesn't respond.
    Unavailable,
}

/// Errors of reading an account.
#[derive(Debug, thiserror::Error)]
pub enum GetAccountError {
    #[error("account not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns a buyer's account, on request with the newest orders. If the orders service doesn't
/// respond, the account is returned without them.
///
/// # Errors
/// [`GetAccountError`].
pub async fn get_user(
    store: &impl AccountReader,
    orders: &impl OrdersClient,
    user_id: UserId,
    with_orders: bool,
) -> Result<(Account, RecentOrders), GetAccountError> {
    let account = get_account(store, AccountId::User(user_id)).await?;
    let recent = match with_orders {
        false => RecentOrders::NotRequested,
        true => orders
            .recent_orders(user_id)
            .await
            .map_or(RecentOrders::Unavailable, RecentOrders::Loaded),
    };
    Ok((account, recent))
}

/// Returns an account of any role.
///
/// # Errors
/// [`GetAccountError`].
pub async fn get_account(
    store: &impl AccountReader,
    id: AccountId,
) -> Result<Account, GetAccountError> {
    store.account(id).await?.ok_or(GetAccountError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        testing::{FakeOrders, registered_user},
    };

    #[tokio::test]
    async fn an_account_is_returned_without_orders_if_those_are_down() {
        let store = MemoryAccounts::default();
        let user = registered_user(&store, "ann@example.com").await;
        let unavailable = FakeOrders { unavailable: true, ..FakeOrders::default() };
        let (account, recent) = get_user(&store, &unavailable, user, true).await.unwrap();
        assert_eq!(
            (account.account_id, recent),
            (AccountId::User(user), RecentOrders::Unavailable)
        );
        let (_, recent) = get_user(&store, &unavailable, user, false).await.unwrap();
        assert_eq!(recent, RecentOrders::NotRequested);
        let (_, recent) = get_user(&store, &FakeOrders::default(), user, true).await.unwrap();
        assert_eq!(recent, RecentOrders::Loaded(Vec::new()));
    }
}
