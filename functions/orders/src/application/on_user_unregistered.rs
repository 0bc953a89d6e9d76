use crate::ports::{OrderLister, OrderWriter, UnregisteredBuyers};
use rialto_kernel::{
    OrderId, StoreError, UserId, Write,
    store::{self, Attempt},
};

/// Orders read per page.
const PAGE_SIZE: u32 = 100;

/// Erases the addresses of an unregistered buyer's closed orders. Those of open orders, and of
/// orders that are placed later, are erased when the orders close.
///
/// # Errors
/// [`StoreError`]: the event must be redelivered, as some orders may be unchanged.
pub async fn on_user_unregistered(
    store: &(impl UnregisteredBuyers + OrderLister + OrderWriter),
    user: UserId,
) -> Result<Write, StoreError> {
    // Before the orders are listed: an order placed from now on is placed with this mark.
    let mut write = store.mark_unregistered(user).await?;
    let mut position: Option<String> = None;
    loop {
        let (orders, next) =
            store.list_by_buyer(user, None, PAGE_SIZE, position.as_deref()).await?;
        for order in orders.iter().filter(|order| !order.buyer_unregistered) {
            if erase_buyer_data(store, order.order_id).await?.is_done() {
                write = Write::Done;
            }
        }
        if next.is_none() {
            return Ok(write);
        }
        position = next;
    }
}

async fn erase_buyer_data(store: &impl OrderWriter, order: OrderId) -> Result<Write, StoreError> {
    store::update(|| async move {
        match store.order(order).await?.and_then(|order| order.erase_buyer_data()) {
            Some(change) => Ok(store.save(&change).await?.into_attempt(Write::Done)),
            None => Ok(Attempt::Done(Write::Conflict(()))),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        fixtures::placed_order,
        ports::{IdempotencyRecord, OrderPlacer, OrderReader},
    };
    use rialto_contracts::{EventContext, orders::CancelReason};
    use rialto_kernel::Timestamp;

    #[tokio::test]
    async fn addresses_of_unregistered_buyers_are_erased_at_closing() {
        let store = MemoryOrders::default();
        let change = placed_order();
        let (order, user) = (change.order.order_id, change.order.user_id);
        let record = IdempotencyRecord {
            body_hash: "h".to_owned(),
            response_body: "Kim Example".to_owned(),
        };
        assert_eq!(store.insert(&change, &record, &[]).await.unwrap(), Write::Done);

        assert_eq!(on_user_unregistered(&store, user).await.unwrap(), Write::Done);
        assert_eq!(on_user_unregistered(&store, user).await.unwrap(), Write::Conflict(()));
        let open = store.order(order).await.unwrap().unwrap();
        assert!(open.address.is_some());

        let closed = open.cancel(
            CancelReason::Timeout,
            Timestamp::from_millis(2_000),
            &EventContext::default(),
        );
        assert_eq!(store.save(&closed.unwrap()).await.unwrap(), Write::Done);
        assert_eq!(store.order(order).await.unwrap().unwrap().address, None);
        let context = store.load_placement_context(order, user, &[], &[]).await.unwrap();
        assert_eq!(context.existing, Some(IdempotencyRecord::empty()));
    }
}
