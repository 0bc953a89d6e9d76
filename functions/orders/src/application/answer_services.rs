//! What other services ask of orders.

use crate::{domain::order::Order, ports::OrderLister};
use rialto_kernel::{StoreError, UserId};

const RECENT: u32 = 10;
/// Once the newest orders have all ended.
const MANY: u32 = 100;

/// A buyer's newest orders, ten at most.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn recent_orders(
    store: &impl OrderLister,
    user: UserId,
) -> Result<Vec<Order>, StoreError> {
    store.list_by_buyer(user, None, RECENT, None).await.map(|(orders, _)| orders)
}

/// Whether a buyer has an order that hasn't ended. Such an order is mostly one of the newest: a few are looked at first.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn has_open_orders(store: &impl OrderLister, user: UserId) -> Result<bool, StoreError> {
    let (mut limit, mut position) = (RECENT, None::<String>);
    loop {
        let (orders, next) = store.list_by_buyer(user, None, limit, position.as_deref()).await?;
        if orders.iter().any(Order::is_open) {
            return Ok(true);
        }
        if next.is_none() {
            return Ok(false);
        }
        (limit, position) = (MANY, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::OrderState,
        ports::{IdempotencyRecord, OrderPage, OrderPlacer, OrderWriter},
        testing,
    };
    use rialto_contracts::{EventContext, orders::CancelReason};
    use rialto_kernel::{OrderId, Timestamp, Write};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A store that counts the orders that it was asked for.
    #[derive(Default)]
    struct Counting {
        store: MemoryOrders,
        asked: AtomicU32,
    }

    impl OrderLister for Counting {
        async fn list_by_buyer(
            &self,
            user: UserId,
            state: Option<OrderState>,
            limit: u32,
            position: Option<&str>,
        ) -> Result<OrderPage, StoreError> {
            self.asked.fetch_add(limit, Ordering::Relaxed);
            self.store.list_by_buyer(user, state, limit, position).await
        }
    }

    #[tokio::test]
    async fn of_a_long_history_only_the_newest_are_read_while_one_of_them_is_open() {
        let counting = Counting::default();
        let user = testing::order().order.user_id;
        let placing = IdempotencyRecord { body_hash: String::new(), response_body: String::new() };
        for at in 0..150_u8 {
            let mut change = testing::order();
            change.order.order_id = OrderId::derive(&[&[at]]);
            change.order.created_at = Timestamp::from_millis(at.into());
            if at != 145 {
                change.order.state = OrderState::Cancelled;
            }
            assert_eq!(counting.store.insert(&change, &placing).await.unwrap(), Write::Done);
        }
        assert!(has_open_orders(&counting, user).await.unwrap());
        assert_eq!(counting.asked.load(Ordering::Relaxed), 10);
    }

    #[tokio::test]
    async fn a_buyer_has_open_orders_until_the_last_has_ended() {
        let store = MemoryOrders::default();
        let change = testing::order();
        let user = change.order.user_id;
        assert!(!has_open_orders(&store, user).await.unwrap());
        let placing = IdempotencyRecord { body_hash: String::new(), response_body: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);
        assert!(has_open_orders(&store, user).await.unwrap());
        assert_eq!(recent_orders(&store, user).await.unwrap(), std::slice::from_ref(&change.order));

        let now = Timestamp::from_millis(2_000);
        let ended =
            change.order.cancel(CancelReason::Buyer, now, &EventContext::default()).unwrap();
        assert_eq!(store.save(&ended).await.unwrap(), Write::Done);
        assert!(!has_open_orders(&store, user).await.unwrap());
    }
}
