use crate::{
    domain::account::Account,
    ports::{AccountReader, OrdersClient},
};
use rialto_contracts::internal::orders::RecentOrder;
use rialto_kernel::{AccountId, StoreError, UserId};

/// What is asked for beside the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RecentOrders {
    #[default]
    NotRequested,
    Loaded(Vec<RecentOrder>),
    /// Orders doesn't answer for now.
    Unavailable,
}

/// Why there is no account to show.
#[derive(Debug, thiserror::Error)]
pub enum GetAccountError {
    #[error("there is no such account")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A buyer's account, if asked for with the newest orders. When those can't be had, the account is shown without them.
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

/// Any account.
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
        testing::{FakeOrders, registered_buyer},
    };

    #[tokio::test]
    async fn without_orders_answer_the_account_is_shown_all_the_same() {
        let store = MemoryAccounts::default();
        let AccountId::User(user) = registered_buyer(&store, "ann@example.com").await.account_id
        else {
            panic!("a buyer")
        };
        let silent = FakeOrders { silent: true, ..FakeOrders::default() };
        let (account, recent) = get_user(&store, &silent, user, true).await.unwrap();
        assert_eq!(
            (account.account_id, recent),
            (AccountId::User(user), RecentOrders::Unavailable)
        );
        let (_, recent) = get_user(&store, &silent, user, false).await.unwrap();
        assert_eq!(recent, RecentOrders::NotRequested);
        let (_, recent) = get_user(&store, &FakeOrders::default(), user, true).await.unwrap();
        assert_eq!(recent, RecentOrders::Loaded(Vec::new()));
    }
}
