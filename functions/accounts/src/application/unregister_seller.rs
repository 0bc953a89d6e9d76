use super::unregister_user::{UnregisterError, unregister};
use crate::ports::{AccountCloser, AccountReader, CredentialReader, OrdersClient, SessionEnder};
use rialto_contracts::EventContext;
use rialto_kernel::{AccountId, SellerId, StoreError, Timestamp};

/// Why a seller's account is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UnregisterSellerError {
    #[error("the seller has open lines")]
    OpenLines,
    #[error("whether the seller has open lines isn't known: {0}")]
    OrdersUnavailable(StoreError),
    #[error(transparent)]
    Unregister(#[from] UnregisterError),
}

/// Closes a seller's account unless lines of theirs are open. Lines that are ordered meanwhile run on.
///
/// # Errors
/// [`UnregisterSellerError`]; nothing has changed then, unless the store can't tell.
pub async fn unregister_seller(
    store: &(impl AccountReader + CredentialReader + AccountCloser + SessionEnder),
    orders: &impl OrdersClient,
    seller_id: SellerId,
    cause: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterSellerError> {
    let id = AccountId::Seller(seller_id);
    let account = store.account(id).await.map_err(UnregisterError::from)?;
    // One that is closed already may have lines that were ordered meanwhile.
    if account.ok_or(UnregisterError::NotFound)?.is_registered() {
        match orders.has_open_lines(seller_id).await {
            Ok(false) => {}
            Ok(true) => return Err(UnregisterSellerError::OpenLines),
            Err(error) => return Err(UnregisterSellerError::OrdersUnavailable(error)),
        }
    }
    Ok(unregister(store, id, cause, now).await?)
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
        let sue = Registration::seller(
            id,
            details("sue@example.com"),
            hash,
            &EventContext::default(),
            now,
        );
        assert_eq!(store.register(&sue).await, Ok(Write::Done));
        id
    }

    #[tokio::test]
    async fn with_open_lines_or_without_an_answer_nothing_changes() {
        let (store, now, cause) =
            (MemoryAccounts::default(), SystemClock.now(), EventContext::default());
        let id = seller(&store).await;
        let (busy, silent) = (
            FakeOrders { open: true, ..FakeOrders::default() },
            FakeOrders { silent: true, ..FakeOrders::default() },
        );
        let refused = unregister_seller(&store, &busy, id, &cause, now).await;
        assert!(matches!(refused, Err(UnregisterSellerError::OpenLines)));
        let refused = unregister_seller(&store, &silent, id, &cause, now).await;
        assert!(matches!(refused, Err(UnregisterSellerError::OrdersUnavailable(_))));
        assert!(store.account(AccountId::Seller(id)).await.unwrap().unwrap().is_registered());

        unregister_seller(&store, &FakeOrders::default(), id, &cause, now).await.unwrap();
        assert_eq!(store.published_events().last().unwrap().kind, "SellerUnregistered");
        // Done already: nothing needs to be asked.
        unregister_seller(&store, &silent, id, &cause, now).await.unwrap();
    }
}
