//! Erasure of the personal data of closed accounts.

use crate::ports::{AccountReader, ErasureQueue, OrdersClient, SessionEnder};
use futures_util::{StreamExt, stream};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};
use std::time::Duration;

/// The maximum number of accounts per sweep; the next sweep continues.
pub const BATCH_LIMIT: usize = 200;

/// The time until the next check of an account with open orders.
pub const RECHECK_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The number of accounts processed at a time; most of it is spent waiting for the orders service.
const CONCURRENCY: usize = 10;

/// The outcome of a sweep.
#[derive(Debug, Default)]
pub struct ErasureSummary {
    pub erased: usize,
    /// Accounts with open orders.
    pub waiting: usize,
    /// Accounts that were changed concurrently or weren't due after all.
    pub skipped: usize,
    /// Accounts that failed and why; the next sweep retries them.
    pub failed: Vec<(AccountId, StoreError)>,
}

/// The outcome for one account.
enum ErasureOutcome {
    Erased,
    Waiting,
    Skipped,
}

/// Erases the personal data of closed accounts without open orders. The index only lists
/// candidates; each decision is based on the account's own item. Sessions that an interrupted
/// closing has left end here, too. A failing account doesn't block the others.
///
/// # Errors
/// [`StoreError`] if the due accounts can't be listed.
pub async fn sweep(
    store: &(impl ErasureQueue + AccountReader + SessionEnder + Sync),
    orders: &(impl OrdersClient + Sync),
    now: Timestamp,
) -> Result<ErasureSummary, StoreError> {
    let due = store.due(now, BATCH_LIMIT).await?;
    let outcomes = stream::iter(due)
        .map(|id| async move { (id, erase_if_unneeded(store, orders, id, now).await) })
        .buffer_unordered(CONCURRENCY);
    let count = |mut summary: ErasureSummary, (id, result)| {
        match result {
            Ok(ErasureOutcome::Erased) => {
                tracing::info!(account = %id, "erased");
                summary.erased += 1;
            }
            Ok(ErasureOutcome::Waiting) => summary.waiting += 1,
            Ok(ErasureOutcome::Skipped) => summary.skipped += 1,
            Err(error) => summary.failed.push((id, error)),
        }
        std::future::ready(summary)
    };
    Ok(outcomes.fold(ErasureSummary::default(), count).await)
}

async fn erase_if_unneeded(
    store: &(impl ErasureQueue + AccountReader + SessionEnder),
    orders: &impl OrdersClient,
    id: AccountId,
    now: Timestamp,
) -> Result<ErasureOutcome, StoreError> {
    let account = store.account(id).await?;
    let Some(account) =
        account.filter(|account| !account.is_registered() && account.details.is_some())
    else {
        return Ok(ErasureOutcome::Skipped);
    };
    store.end_all(id, None).await?;
    let (written, outcome) = if is_needed(orders, id).await? {
        (store.reschedule(&account, now.plus(RECHECK_INTERVAL)).await?, ErasureOutcome::Waiting)
    } else {
        (store.erase(&account.erased()).await?, ErasureOutcome::Erased)
    };
    Ok(match written {
        Write::Done => outcome,
        Write::Conflict(()) => ErasureOutcome::Skipped,
    })
}

/// Whether an open order or line still needs the account's personal data.
async fn is_needed(orders: &impl OrdersClient, id: AccountId) -> Result<bool, StoreError> {
    match id {
        AccountId::User(user) => orders.has_open_orders(user).await,
        AccountId::Seller(seller) => orders.has_open_lines(seller).await,
        AccountId::Supervisor(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        application::{
            addresses::add_address,
            unregister_user::{FIRST_CHECK_DELAY, unregister_user},
        },
        domain::account::Account,
        ports::AddressBookStore,
        testing::{FakeOrders, address, registered_user},
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{AddressId, Clock, SessionId, SystemClock, UserId};

    fn counts(summary: &ErasureSummary) -> (usize, usize, usize, usize) {
        (summary.erased, summary.waiting, summary.skipped, summary.failed.len())
    }

    #[tokio::test]
    async fn personal_data_is_erased_once_no_order_is_open() {
        let (store, now) = (MemoryAccounts::default(), SystemClock.now());
        let user = registered_user(&store, "ann@example.com").await;
        let id = AccountId::User(user);
        add_address(&store, user, AddressId::generate(now), &address("Ann"), false).await.unwrap();
        unregister_user(&store, user, &EventContext::default(), now).await.unwrap();

        let busy = FakeOrders { open: true, ..FakeOrders::default() };
        let down = FakeOrders { unavailable: true, ..FakeOrders::default() };
        let closed = FakeOrders::default();
        assert_eq!(counts(&sweep(&store, &closed, now).await.unwrap()), (0, 0, 0, 0), "too early");
        let time = now.plus(FIRST_CHECK_DELAY);
        assert_eq!(counts(&sweep(&store, &busy, time).await.unwrap()), (0, 1, 0, 0));
        assert_eq!(
            counts(&sweep(&store, &busy, time).await.unwrap()),
            (0, 0, 0, 0),
            "checked recently"
        );
        let time = time.plus(RECHECK_INTERVAL);
        for _ in 0..2 {
            assert_eq!(
                counts(&sweep(&store, &down, time).await.unwrap()),
                (0, 0, 0, 1),
                "no response"
            );
        }
        assert!(store.account(id).await.unwrap().unwrap().details.is_some());
        assert_eq!(counts(&sweep(&store, &closed, time).await.unwrap()), (1, 0, 0, 0));
        let (account, book) = store.addresses(user).await.unwrap().unwrap();
        assert_eq!((account.details, book.addresses.len()), (None, 0));
        let later = time.plus(RECHECK_INTERVAL);
        assert_eq!(counts(&sweep(&store, &closed, later).await.unwrap()), (0, 0, 0, 0));
    }

    /// A store that can't read one of its accounts, the one that is due longest.
    struct CorruptItemStore(MemoryAccounts, AccountId);

    impl AccountReader for CorruptItemStore {
        async fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
            if account == self.1 {
                Err(StoreError::Corrupt("torn".to_owned()))
            } else {
                self.0.account(account).await
            }
        }
    }

    impl ErasureQueue for CorruptItemStore {
        async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<AccountId>, StoreError> {
            let mut due = self.0.due(now, limit).await?;
            due.insert(0, self.1);
            Ok(due)
        }
        async fn reschedule(
            &self,
            account: &Account,
            until: Timestamp,
        ) -> Result<Write, StoreError> {
            self.0.reschedule(account, until).await
        }
        async fn erase(&self, account: &Account) -> Result<Write, StoreError> {
            self.0.erase(account).await
        }
    }

    impl SessionEnder for CorruptItemStore {
        async fn end(&self, account: AccountId, session: SessionId) -> Result<Write, StoreError> {
            self.0.end(account, session).await
        }
        async fn end_all(
            &self,
            account: AccountId,
            except: Option<SessionId>,
        ) -> Result<usize, StoreError> {
            self.0.end_all(account, except).await
        }
    }

    #[tokio::test]
    async fn an_unreadable_account_does_not_block_the_others() {
        let (store, now) = (MemoryAccounts::default(), SystemClock.now());
        let user = registered_user(&store, "ann@example.com").await;
        unregister_user(&store, user, &EventContext::default(), now).await.unwrap();
        let store = CorruptItemStore(store, AccountId::User(UserId::derive(&[b"broken"])));
        let swept =
            sweep(&store, &FakeOrders::default(), now.plus(FIRST_CHECK_DELAY)).await.unwrap();
        assert_eq!(counts(&swept), (1, 0, 0, 1));
    }
}
