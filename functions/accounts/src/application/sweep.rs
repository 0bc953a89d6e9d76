use crate::ports::{AccountReader, ErasureQueue, OrdersClient, SessionEnder};
use futures_util::{StreamExt, stream};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};
use std::time::Duration;

/// How many accounts one sweep looks at; the next one goes on.
pub const BATCH_LIMIT: usize = 200;

/// How long a closed account waits until orders is asked again.
pub const RECHECK_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How many accounts are looked at at once: most of the time is that of orders.
const CONCURRENCY: usize = 10;

/// What a sweep did.
#[derive(Debug, Default)]
pub struct ErasureSummary {
    pub erased: usize,
    /// Orders of theirs go on.
    pub waiting: usize,
    /// Changed by somebody else in the meantime, or not due after all.
    pub skipped: usize,
    /// Those that the next sweep has to look at again, and why.
    pub failed: Vec<(AccountId, StoreError)>,
}

/// What became of an account.
enum Outcome {
    Erased,
    Waiting,
    Left,
}

/// Erases what closed accounts tell of persons, those whose orders have ended. The index only finds them; what each is, its own
/// item tells. Sessions that closing should have ended, had it not been cut off, end here at the latest. One that fails, or of
/// which orders tells nothing, doesn't keep the others.
///
/// # Errors
/// [`StoreError`] when they can't be listed.
pub async fn sweep(
    store: &(impl ErasureQueue + AccountReader + SessionEnder + Sync),
    orders: &(impl OrdersClient + Sync),
    now: Timestamp,
) -> Result<ErasureSummary, StoreError> {
    let due = store.due(now, BATCH_LIMIT).await?;
    let settled = stream::iter(due)
        .map(|id| async move { (id, settle(store, orders, id, now).await) })
        .buffer_unordered(CONCURRENCY);
    let count = |mut swept: ErasureSummary, (id, result)| {
        match result {
            Ok(Outcome::Erased) => {
                tracing::info!(account = %id, "erased");
                swept.erased += 1;
            }
            Ok(Outcome::Waiting) => swept.waiting += 1,
            Ok(Outcome::Left) => swept.skipped += 1,
            Err(error) => swept.failed.push((id, error)),
        }
        std::future::ready(swept)
    };
    Ok(settled.fold(ErasureSummary::default(), count).await)
}

async fn settle(
    store: &(impl ErasureQueue + AccountReader + SessionEnder),
    orders: &impl OrdersClient,
    id: AccountId,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let account = store.account(id).await?;
    let Some(account) =
        account.filter(|account| !account.is_registered() && account.details.is_some())
    else {
        return Ok(Outcome::Left);
    };
    store.end_all(id, None).await?;
    let (written, outcome) = if is_needed(orders, id).await? {
        (store.reschedule(&account, now.plus(RECHECK_INTERVAL)).await?, Outcome::Waiting)
    } else {
        (store.erase(&account.erased()).await?, Outcome::Erased)
    };
    Ok(match written {
        Write::Done => outcome,
        Write::Conflict(()) => Outcome::Left,
    })
}

/// Whether anything is open that needs what the account tells.
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
        testing::{FakeOrders, address, registered_buyer},
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{AddressId, Clock, SessionId, SystemClock, UserId};

    fn counts(swept: &ErasureSummary) -> (usize, usize, usize, usize) {
        (swept.erased, swept.waiting, swept.skipped, swept.failed.len())
    }

    #[tokio::test]
    async fn what_tells_of_a_person_is_erased_when_the_last_order_has_ended_and_not_before() {
        let (store, now) = (MemoryAccounts::default(), SystemClock.now());
        let id = registered_buyer(&store, "ann@example.com").await.account_id;
        let AccountId::User(user) = id else { panic!("a buyer") };
        add_address(&store, user, AddressId::generate(now), &address("Ann"), false).await.unwrap();
        unregister_user(&store, user, &EventContext::default(), now).await.unwrap();

        let busy = FakeOrders { open: true, ..FakeOrders::default() };
        let silent = FakeOrders { silent: true, ..FakeOrders::default() };
        let over = FakeOrders::default();
        assert_eq!(counts(&sweep(&store, &over, now).await.unwrap()), (0, 0, 0, 0), "too early");
        let time = now.plus(FIRST_CHECK_DELAY);
        assert_eq!(counts(&sweep(&store, &busy, time).await.unwrap()), (0, 1, 0, 0));
        assert_eq!(
            counts(&sweep(&store, &busy, time).await.unwrap()),
            (0, 0, 0, 0),
            "asked lately"
        );
        let time = time.plus(RECHECK_INTERVAL);
        for _ in 0..2 {
            assert_eq!(
                counts(&sweep(&store, &silent, time).await.unwrap()),
                (0, 0, 0, 1),
                "no answer"
            );
        }
        assert!(store.account(id).await.unwrap().unwrap().details.is_some());
        assert_eq!(counts(&sweep(&store, &over, time).await.unwrap()), (1, 0, 0, 0));
        let (account, book) = store.addresses(user).await.unwrap().unwrap();
        assert_eq!((account.details, book.addresses.len()), (None, 0));
        let later = time.plus(RECHECK_INTERVAL);
        assert_eq!(counts(&sweep(&store, &over, later).await.unwrap()), (0, 0, 0, 0));
    }

    /// A store that can't read one of its accounts, the one that waits longest.
    struct Broken(MemoryAccounts, AccountId);

    impl AccountReader for Broken {
        async fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
            if account == self.1 {
                Err(StoreError::Corrupt("torn".to_owned()))
            } else {
                self.0.account(account).await
            }
        }
    }

    impl ErasureQueue for Broken {
        async fn due(&self, now: Timestamp, at_most: usize) -> Result<Vec<AccountId>, StoreError> {
            let mut due = self.0.due(now, at_most).await?;
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

    impl SessionEnder for Broken {
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
    async fn an_account_that_cannot_be_read_does_not_keep_the_others() {
        let (store, now) = (MemoryAccounts::default(), SystemClock.now());
        let AccountId::User(user) = registered_buyer(&store, "ann@example.com").await.account_id
        else {
            panic!("a buyer")
        };
        unregister_user(&store, user, &EventContext::default(), now).await.unwrap();
        let broken = Broken(store, AccountId::User(UserId::derive(&[b"broken"])));
        let swept =
            sweep(&broken, &FakeOrders::default(), now.plus(FIRST_CHECK_DELAY)).await.unwrap();
        assert_eq!(counts(&swept), (1, 0, 0, 1));
    }
}
