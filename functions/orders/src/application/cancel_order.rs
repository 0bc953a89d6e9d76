use super::get_order::Viewer;
use crate::{
    domain::order::{Order, OrderState},
    ports::OrderWriter,
};
use rialto_contracts::{Cause, orders::CancelReason};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// Why an order isn't cancelled. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum CancelOrderError {
    /// There is none, or it isn't the caller's.
    #[error("no such order")]
    NotFound,
    #[error("its state doesn't allow it")]
    IllegalTransition(OrderState),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often an order that is being changed is tried.
const TRIES: u32 = 5;

/// Cancels a PENDING order at once, as a whole, for its buyer or a supervisor.
///
/// # Errors
/// [`CancelOrderError`]; nothing has changed then.
pub async fn cancel_order(
    store: &impl OrderWriter,
    order_id: OrderId,
    viewer: Viewer,
    now: Timestamp,
    cause: &Cause,
) -> Result<Order, CancelOrderError> {
    let cause = Cause { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let mut tried: Option<Order> = None;
    for _ in 0..TRIES {
        let order = store.order(order_id).await?.ok_or(CancelOrderError::NotFound)?;
        // A write whose answer was lost is sent again, and then collides with itself.
        if tried.as_ref() == Some(&order) {
            return Ok(order);
        }
        match viewer {
            Viewer::Supervisor => {}
            Viewer::Buyer(user) if user == order.user_id => {}
            Viewer::Buyer(_) | Viewer::Seller(_) => return Err(CancelOrderError::NotFound),
        }
        let change =
            order.cancel(CancelReason::Buyer, now, &cause).map_err(CancelOrderError::IllegalTransition)?;
        if store.save(&change).await? == Write::Done {
            return Ok(change.order);
        }
        tried = Some(change.order);
    }
    Err(StoreError::Unavailable("the order changes too fast".to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::Change,
        ports::{FirstPlacing, OrderPlacer, OrderReader},
        testing,
    };
    use rialto_kernel::UserId;

    const NOW: Timestamp = Timestamp::from_millis(2_000);

    async fn placed() -> (MemoryOrders, Order) {
        let store = MemoryOrders::default();
        let change = testing::order();
        let placing = FirstPlacing { body_hash: String::new(), answer: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);
        (store, change.order)
    }

    #[tokio::test]
    async fn a_pending_order_is_cancelled_once() {
        let (store, order) = placed().await;
        let buyer = Viewer::Buyer(order.user_id);
        let cancelled = cancel_order(&store, order.order_id, buyer, NOW, &Cause::default()).await.unwrap();
        assert_eq!((cancelled.state, cancelled.reason), (OrderState::Cancelled, Some(CancelReason::Buyer)));
        let again = cancel_order(&store, order.order_id, buyer, NOW, &Cause::default()).await;
        assert!(matches!(again, Err(CancelOrderError::IllegalTransition(OrderState::Cancelled))));
        assert_eq!(store.announced().iter().filter(|event| event.kind == "OrderCancelled").count(), 1);
    }

    /// A store whose writes happen, and then look as if somebody else had been quicker.
    struct Forgetful(MemoryOrders);

    impl OrderReader for Forgetful {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            self.0.order(order).await
        }
    }

    impl OrderWriter for Forgetful {
        async fn save(&self, change: &Change) -> Result<Write, StoreError> {
            self.0.save(change).await.map(|_| Write::Conflict)
        }
    }

    #[tokio::test]
    async fn a_cancellation_that_collides_with_itself_has_happened() {
        let (store, order) = placed().await;
        let store = Forgetful(store);
        let buyer = Viewer::Buyer(order.user_id);
        let cancelled = cancel_order(&store, order.order_id, buyer, NOW, &Cause::default()).await.unwrap();
        assert_eq!(cancelled.state, OrderState::Cancelled);
    }

    #[tokio::test]
    async fn somebody_elses_order_is_not_found_and_stays() {
        let (store, order) = placed().await;
        let another = Viewer::Buyer(UserId::derive(&[b"another"]));
        let refused = cancel_order(&store, order.order_id, another, NOW, &Cause::default()).await;
        assert!(matches!(refused, Err(CancelOrderError::NotFound)));
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order));
    }
}
