use super::unregister_user::{UnregisterError, unregister};
use crate::ports::{AccountCloser, AccountReader, CredentialReader, OrdersClient, SessionEnder};
use rialto_contracts::EventContext;
use rialto_kernel::{AccountId, SellerId, StoreError, Timestamp};

/// Errors of closing a seller's account.
#[derive(Debug, thiserror::Error)]
pub enum UnregisterSellerError {
    #[error("the seller has open lines")]
    OpenLines,
    #[error("couldn't query the seller's open lines: {0}")]
    OrdersUnavailable(StoreError),
    #[error(transparent)]
    Unregister(#[from] UnregisterError),
}

/// Closes a seller's account unless it has open lines. Lines that are ordered concurrently
/// continue.
///
/// # Errors
/// [`UnregisterSellerError`]. The account is unchanged, unless the store's outcome is unknown.
pub async fn unregister_seller(
    store: &(impl AccountReader + CredentialReader + AccountCloser + SessionEnder),
    orders: &impl OrdersClient,
    seller_id: SellerId,
    context: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterSellerError> {
    let id = AccountId::Seller(seller_id);
    let account = store.account(id).await.map_err(UnregisterError::from)?;
    // A closed account may have open lines that were ordered while it was being closed.
    if account.ok_or(UnregisterError::NotFound)?.is_registered() {
        match orders.has_open_lines(seller_id).await {
            Ok(false) => {}
            Ok(true) => return Err(UnregisterSellerError::OpenLines),
            Err(error) => return Err(UnregisterSellerError::OrdersUnavailable(error)),
        }
    }
    Ok(unregister(store, id, context, now).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        domain::{credential::PasswordHash, registration::Registration},
        ports::AccountRegistrar,
        testing::{FakeOrders, details},
    };
    use rialto_kernel::{Clock, SystemClock, Write};

    async fn seller(store: &MemoryAccounts) -> SellerId {
        let (now, hash) = (SystemClock.now(), PasswordHash("h".to_owned()));
        let id = SellerId::generate(now);
        let sue = Registration::new(
            AccountId::Seller(id),
            details("sue@example.com"),
            hash,
            &EventContext::default(),
            now,
        );
        assert_eq!(store.register(&sue).await, Ok(Write::Done));
        id
    }

    #[tokio::test]
    async fn a_seller_is_not_closed_while_lines_may_be_open() {
        let (store, now, context) =
            (MemoryAccounts::default(), SystemClock.now(), EventContext::default());
        let id = seller(&store).await;
        let (busy, down) = (
            FakeOrders { open: true, ..FakeOrders::default() },
            FakeOrders { unavailable: true, ..FakeOrders::default() },
        );
        let refused = unregister_seller(&store, &busy, id, &context, now).await;
        assert!(matches!(refused, Err(UnregisterSellerError::OpenLines)));
        let refused = unregister_seller(&store, &down, id, &context, now).await;
        assert!(matches!(refused, Err(UnregisterSellerError::OrdersUnavailable(_))));
        assert!(store.account(AccountId::Seller(id)).await.unwrap().unwrap().is_registered());

        unregister_seller(&store, &FakeOrders::default(), id, &context, now).await.unwrap();
        assert_eq!(store.published_events().last().unwrap().kind, "SellerUnregistered");
        // Already closed: the orders service isn't queried.
        unregister_seller(&store, &down, id, &context, now).await.unwrap();
    }
}
