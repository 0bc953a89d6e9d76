use crate::ports::{OrderLister, OrderWriter, UnregisteredBuyers};
use rialto_kernel::{OrderId, StoreError, UserId, Write};

/// How often an order that is being changed is tried.
const MAX_ATTEMPTS: u32 = 5;

/// Forgets the addresses of an unregistered buyer's orders: of those that have ended now, of the others when they end, those
/// that are placed later included.
///
/// # Errors
/// [`StoreError`]: some may be left; the event comes again.
pub async fn on_user_unregistered(
    store: &(impl UnregisteredBuyers + OrderLister + OrderWriter),
    user: UserId,
) -> Result<Write, StoreError> {
    // Kept first: whoever places an order from now on knows it.
    let mut forgotten = store.mark_unregistered(user).await?;
    let mut position: Option<String> = None;
    loop {
        let (orders, next) = store.list_by_buyer(user, None, 100, position.as_deref()).await?;
        for order in orders.iter().filter(|order| !order.buyer_unregistered) {
            if forget(store, order.order_id).await? == Write::Done {
                forgotten = Write::Done;
            }
        }
        if next.is_none() {
            return Ok(forgotten);
        }
        position = next;
    }
}

async fn forget(store: &impl OrderWriter, order: OrderId) -> Result<Write, StoreError> {
    for _ in 0..MAX_ATTEMPTS {
        let change = store.order(order).await?.and_then(|order| order.erase_buyer_data());
        let Some(change) = change else { return Ok(Write::Conflict(())) };
        if store.save(&change).await? == Write::Done {
            return Ok(Write::Done);
        }
    }
    Err(StoreError::Unavailable("the order changes too fast".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        ports::{IdempotencyRecord, OrderPlacer, OrderReader},
        testing,
    };
    use rialto_contracts::{EventContext, orders::CancelReason};
    use rialto_kernel::Timestamp;

    #[tokio::test]
    async fn nothing_of_an_unregistered_buyer_stays_in_an_order_that_has_ended() {
        let store = MemoryOrders::default();
        let change = testing::order();
        let (order, user) = (change.order.order_id, change.order.user_id);
        let placing = IdempotencyRecord {
            body_hash: "h".to_owned(),
            response_body: "Kim Example".to_owned(),
        };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);

        assert_eq!(on_user_unregistered(&store, user).await.unwrap(), Write::Done);
        assert_eq!(on_user_unregistered(&store, user).await.unwrap(), Write::Conflict(()));
        let open = store.order(order).await.unwrap().unwrap();
        assert!(open.address.is_some());

        let ended = open.cancel(
            CancelReason::Timeout,
            Timestamp::from_millis(2_000),
            &EventContext::default(),
        );
        assert_eq!(store.save(&ended.unwrap()).await.unwrap(), Write::Done);
        assert_eq!(store.order(order).await.unwrap().unwrap().address, None);
        let placed = store.load_placement_context(order, user, &[]).await.unwrap().placed.unwrap();
        assert_eq!((placed.body_hash.as_str(), placed.response_body.as_str()), ("", ""));
    }
}
