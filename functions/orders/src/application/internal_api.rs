//! Use cases of the function that other services call.

use crate::{
    domain::order::Order,
    ports::{OrderLister, OrderReader},
};
use rialto_kernel::{Address, OrderId, StoreError, UserId};

/// Orders in the first page: open orders are usually among the newest.
const FIRST_PAGE_SIZE: u32 = 10;
/// Orders in each further page.
const PAGE_SIZE: u32 = 100;

/// Returns a buyer's newest orders, at most ten.
///
/// # Errors
/// [`StoreError`] if the store can't be read.
pub async fn recent_orders(
    store: &impl OrderLister,
    user: UserId,
) -> Result<Vec<Order>, StoreError> {
    store.list_by_buyer(user, None, FIRST_PAGE_SIZE, None).await.map(|(orders, _)| orders)
}

/// Whether a buyer has an open order.
///
/// # Errors
/// [`StoreError`] if the store can't be read.
pub async fn has_open_orders(store: &impl OrderLister, user: UserId) -> Result<bool, StoreError> {
    let (mut limit, mut position) = (FIRST_PAGE_SIZE, None::<String>);
    loop {
        let (orders, next) = store.list_by_buyer(user, None, limit, position.as_deref()).await?;
        if orders.iter().any(Order::is_open) {
            return Ok(true);
        }
        if next.is_none() {
            return Ok(false);
        }
        (limit, position) = (PAGE_SIZE, next);
    }
}

/// The address of an order; `None` if there is no such order, or once it was erased.
///
/// # Errors
/// [`StoreError`] if the store can't be read.
pub async fn order_address(
    store: &impl OrderReader,
    order: OrderId,
) -> Result<Option<Address>, StoreError> {
    Ok(store.order(order).await?.and_then(|order| order.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::OrderState,
        fixtures::{insert_placed_order, placed_order},
        ports::{IdempotencyRecord, OrderPage, OrderPlacer, OrderWriter},
    };
    use rialto_contracts::{EventContext, orders::CancelReason};
    use rialto_kernel::{OrderId, Timestamp, Write};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A store that sums the limits of the pages that are read.
    #[derive(Default)]
    struct CountingStore {
        store: MemoryOrders,
        orders_read: AtomicU32,
    }

    impl OrderLister for CountingStore {
        async fn list_by_buyer(
            &self,
            user: UserId,
            state: Option<OrderState>,
            limit: u32,
            position: Option<&str>,
        ) -> Result<OrderPage, StoreError> {
            self.orders_read.fetch_add(limit, Ordering::Relaxed);
            self.store.list_by_buyer(user, state, limit, position).await
        }
    }

    #[tokio::test]
    async fn one_page_is_read_if_a_recent_order_is_open() {
        let store = CountingStore::default();
        let user = placed_order().order.user_id;
        let record = IdempotencyRecord::empty();
        for at in 0..150_u8 {
            let mut change = placed_order();
            change.order.order_id = OrderId::derive(&[&[at]]);
            change.order.created_at = Timestamp::from_millis(at.into());
            if at != 145 {
                change.order.state = OrderState::Cancelled;
            }
            assert_eq!(store.store.insert(&change, &record, &[]).await.unwrap(), Write::Done);
        }
        assert!(has_open_orders(&store, user).await.unwrap());
        assert_eq!(store.orders_read.load(Ordering::Relaxed), 10);
    }

    #[tokio::test]
    async fn a_buyer_has_open_orders_until_the_last_is_closed() {
        let store = MemoryOrders::default();
        let user = placed_order().order.user_id;
        assert!(!has_open_orders(&store, user).await.unwrap());
        let order = insert_placed_order(&store).await;
        assert!(has_open_orders(&store, user).await.unwrap());
        assert_eq!(recent_orders(&store, user).await.unwrap(), std::slice::from_ref(&order));

        let now = Timestamp::from_millis(2_000);
        let closed = order.cancel(CancelReason::Buyer, now, &EventContext::default()).unwrap();
        assert_eq!(store.save(&closed).await.unwrap(), Write::Done);
        assert!(!has_open_orders(&store, user).await.unwrap());
    }

    #[tokio::test]
    async fn an_orders_address_is_returned_until_it_is_erased() {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;
        let id = order.order_id;
        assert_eq!(order_address(&store, id).await.unwrap(), order.address);
        assert_eq!(order_address(&store, OrderId::derive(&[b"none"])).await.unwrap(), None);

        let now = Timestamp::from_millis(2_000);
        let closed = order.cancel(CancelReason::Buyer, now, &EventContext::default()).unwrap();
        assert_eq!(store.save(&closed).await.unwrap(), Write::Done);
        let erased = closed.order.erase_buyer_data().unwrap();
        assert_eq!(store.save(&erased).await.unwrap(), Write::Done);
        assert_eq!(order_address(&store, id).await.unwrap(), None);
    }
}
