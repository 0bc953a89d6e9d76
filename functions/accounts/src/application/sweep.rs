use crate::ports::{AccountReader, ErasureQueue, OrdersOf, SessionEnder};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};
use std::time::Duration;

/// How many accounts one sweep looks at; the next one goes on.
pub const AT_MOST: usize = 200;

/// How long a closed account waits until orders is asked again.
pub const AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub erased: usize,
    /// Orders of theirs go on, or it isn't known whether they do.
    pub waiting: usize,
}

/// Erases what closed accounts tell of persons, those whose orders have ended. The index only finds them; what each is, its own
/// item tells. Sessions that closing should have ended, had it not been cut off, end here at the latest.
///
/// # Errors
/// [`StoreError`]: the next sweep goes on.
pub async fn sweep(
    store: &(impl ErasureQueue + AccountReader + SessionEnder),
    orders: &impl OrdersOf,
    now: Timestamp,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for id in store.due(now, AT_MOST).await? {
        let account = store.account(id).await?;
        let Some(account) = account.filter(|account| !account.is_registered() && account.details.is_some())
        else {
            continue;
        };
        store.end_all(id, None).await?;
        let needed = match id {
            AccountId::User(user) => orders.has_open_orders(user).await,
            AccountId::Seller(seller) => orders.has_open_lines(seller).await,
            AccountId::Supervisor(_) => Ok(false),
        };
        let written = match needed {
            Ok(false) => {
                swept.erased += 1;
                store.erase(&account.erased()).await?
            }
            // Without an answer nothing is erased.
            Ok(true) | Err(_) => {
                swept.waiting += 1;
                store.postpone(&account, now.plus(AGAIN_AFTER)).await?
            }
        };
        if written == Write::Conflict {
            tracing::info!(account = %id, "changed meanwhile: the next sweep looks again");
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        application::{
            change_addresses::add_address,
            unregister_user::{ASK_AFTER, unregister_user},
        },
        ports::AddressBooks,
        testing::{FakeOrders, address, registered},
    };
    use rialto_contracts::Cause;
    use rialto_kernel::{AddressId, Clock, SystemClock};

    #[tokio::test]
    async fn what_tells_of_a_person_is_erased_when_the_last_order_has_ended_and_not_before() {
        let (store, now) = (MemoryAccounts::default(), SystemClock.now());
        let id = registered(&store, "ann@example.com").await.account_id;
        let AccountId::User(user) = id else { panic!("a buyer") };
        add_address(&store, user, AddressId::generate(now), &address("Ann"), false).await.unwrap();
        unregister_user(&store, user, &Cause::default(), now).await.unwrap();

        let busy = FakeOrders { open: true, ..FakeOrders::default() };
        let silent = FakeOrders { silent: true, ..FakeOrders::default() };
        assert_eq!(sweep(&store, &FakeOrders::default(), now).await.unwrap(), Swept::default(), "too early");
        let mut time = now.plus(ASK_AFTER);
        for orders in [busy, silent] {
            assert_eq!(sweep(&store, &orders, time).await.unwrap(), Swept { erased: 0, waiting: 1 });
            assert!(store.account(id).await.unwrap().unwrap().details.is_some());
            assert_eq!(sweep(&store, &orders, time).await.unwrap(), Swept::default(), "asked lately");
            time = time.plus(AGAIN_AFTER);
        }
        let over = FakeOrders::default();
        assert_eq!(sweep(&store, &over, time).await.unwrap(), Swept { erased: 1, waiting: 0 });
        let (account, book) = store.addresses(user).await.unwrap().unwrap();
        assert_eq!((account.details, book.addresses.len()), (None, 0));
        let later = time.plus(AGAIN_AFTER);
        assert_eq!(sweep(&store, &over, later).await.unwrap(), Swept::default());
    }
}
