//! What other services ask of orders.

use crate::{domain::order::Order, ports::OrderLister};
use rialto_kernel::{StoreError, UserId};

const RECENT: u32 = 10;

/// A buyer's newest orders, ten at most.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn recent_orders(store: &impl OrderLister, user: UserId) -> Result<Vec<Order>, StoreError> {
    store.orders_of(user, None, RECENT, None).await.map(|(orders, _)| orders)
}

/// Whether a buyer has an order that hasn't ended: the newest are looked at first.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn has_open_orders(store: &impl OrderLister, user: UserId) -> Result<bool, StoreError> {
    let mut position: Option<String> = None;
    loop {
        let (orders, next) = store.orders_of(user, None, 100, position.as_deref()).await?;
        if orders.iter().any(Order::is_open) {
            return Ok(true);
        }
        if next.is_none() {
            return Ok(false);
        }
        position = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        ports::{FirstPlacing, OrderPlacer, OrderWriter},
        testing,
    };
    use rialto_contracts::{Cause, orders::CancelReason};
    use rialto_kernel::{Timestamp, Write};

    #[tokio::test]
    async fn a_buyer_has_open_orders_until_the_last_has_ended() {
        let store = MemoryOrders::default();
        let change = testing::order();
        let user = change.order.user_id;
        assert!(!has_open_orders(&store, user).await.unwrap());
        let placing = FirstPlacing { body_hash: String::new(), answer: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);
        assert!(has_open_orders(&store, user).await.unwrap());
        assert_eq!(recent_orders(&store, user).await.unwrap(), std::slice::from_ref(&change.order));

        let now = Timestamp::from_millis(2_000);
        let ended = change.order.cancel(CancelReason::Buyer, now, &Cause::default()).unwrap();
        assert_eq!(store.save(&ended).await.unwrap(), Write::Done);
        assert!(!has_open_orders(&store, user).await.unwrap());
    }
}
