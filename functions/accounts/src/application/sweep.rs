//! Erasure of the personal data of closed accounts.

use crate::ports::{AccountReader, ErasureQueue, OrdersClient, SessionEnder};
use rialto_kernel::{AccountId, StoreError, Write};
use rialto_lambda::sweep::{SweepPolicy, SweepRun, SweepSummary, Visit, visit_due};
use std::time::Duration;

/// A visit mostly waits for the orders service. An account with open orders is checked again every
/// five minutes.
const POLICY: SweepPolicy = SweepPolicy {
    concurrency: 10,
    reserve: Duration::from_secs(10),
    retry_after: Duration::from_secs(5 * 60),
};

/// Erases the personal data of closed accounts without open orders. The index only lists
/// candidates; each decision is based on the account's own item. Sessions that an interrupted
/// closing has left end here, too.
///
/// # Errors
/// [`StoreError`] if the due accounts can't be listed.
pub async fn sweep(
    store: &(impl ErasureQueue + AccountReader + SessionEnder + Sync),
    orders: &(impl OrdersClient + Sync),
    run: &SweepRun,
) -> Result<SweepSummary, StoreError> {
    visit_due(store, run, &POLICY, |id| erase_if_unneeded(store, orders, id)).await
}

async fn erase_if_unneeded(
    store: &(impl ErasureQueue + AccountReader + SessionEnder),
    orders: &impl OrdersClient,
    id: AccountId,
) -> Result<Visit, StoreError> {
    let account = store.account(id).await?;
    let Some(account) =
        account.filter(|account| !account.is_registered() && account.details.is_some())
    else {
        return Ok(Visit::Waiting);
    };
    store.end_all(id, None).await?;
    if is_needed(orders, id).await? {
        return Ok(Visit::Waiting);
    }
    Ok(match store.erase(&account.erased()).await? {
        Write::Done => Visit::Settled,
        Write::Conflict(()) => Visit::Waiting,
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
    use rialto_kernel::{AddressId, Clock, DueEntry, DueQueue, SessionId, SystemClock, Timestamp};
    use std::sync::Arc;

    /// A clock that shows one time.
    struct StoppedClock(Timestamp);

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    /// Erased, waiting and failed accounts of one sweep.
    async fn counts(
        store: &(impl ErasureQueue + AccountReader + SessionEnder + Sync),
        orders: &FakeOrders,
        now: Timestamp,
    ) -> (usize, usize, usize) {
        let run = SweepRun::new(now, Timestamp::from_millis(i64::MAX), Arc::new(StoppedClock(now)));
        let swept = sweep(store, orders, &run).await.unwrap();
        (swept.settled, swept.waiting, swept.failed)
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
        assert_eq!(counts(&store, &closed, now).await, (0, 0, 0), "too early");
        let mut time = now.plus(FIRST_CHECK_DELAY);
        for (orders, expected) in [(&busy, (0, 1, 0)), (&down, (0, 0, 1))] {
            assert_eq!(counts(&store, orders, time).await, expected);
            assert_eq!(counts(&store, orders, time).await, (0, 0, 0), "checked recently");
            time = time.plus(POLICY.retry_after);
        }
        assert!(store.account(id).await.unwrap().unwrap().details.is_some());
        assert_eq!(counts(&store, &closed, time).await, (1, 0, 0));
        let (account, book) = store.addresses(user).await.unwrap().unwrap();
        assert_eq!((account.details, book.addresses.len()), (None, 0));
        let later = time.plus(POLICY.retry_after);
        assert_eq!(counts(&store, &closed, later).await, (0, 0, 0));
    }

    /// A store that can't read one of its accounts.
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

    impl DueQueue for CorruptItemStore {
        type Id = AccountId;
        const SHARDS: u8 = MemoryAccounts::SHARDS;

        async fn due(
            &self,
            shard: u8,
            now: Timestamp,
            after: Option<&DueEntry<AccountId>>,
            limit: usize,
        ) -> Result<Vec<DueEntry<AccountId>>, StoreError> {
            self.0.due(shard, now, after, limit).await
        }

        async fn postpone(
            &self,
            entry: &DueEntry<AccountId>,
            until: Timestamp,
        ) -> Result<Write, StoreError> {
            self.0.postpone(entry, until).await
        }
    }

    impl ErasureQueue for CorruptItemStore {
        async fn erase(&self, account: &Account) -> Result<Write, StoreError> {
            self.0.erase(account).await
        }
    }

    impl SessionEnder for CorruptItemStore {
        async fn end_oldest(&self, account: AccountId, keep: u32) -> Result<usize, StoreError> {
            self.0.end_oldest(account, keep).await
        }
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
        let [user, unreadable] = [
            registered_user(&store, "ann@example.com").await,
            registered_user(&store, "ben@example.com").await,
        ];
        for user in [user, unreadable] {
            unregister_user(&store, user, &EventContext::default(), now).await.unwrap();
        }
        let store = CorruptItemStore(store, AccountId::User(unreadable));
        let time = now.plus(FIRST_CHECK_DELAY);
        assert_eq!(counts(&store, &FakeOrders::default(), time).await, (1, 0, 1));
        assert_eq!(counts(&store, &FakeOrders::default(), time).await, (0, 0, 0), "postponed");
    }
}
