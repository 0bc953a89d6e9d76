use super::{
    change_order::{ChangeOutcome, change_order},
    get_order::Requester,
};
use crate::{
    domain::order::{Order, OrderState},
    ports::OrderWriter,
};
use rialto_contracts::{EventContext, orders::CancelReason};
use rialto_kernel::{OrderId, StoreError, Timestamp};

/// An error of [`cancel_order`]. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CancelOrderError {
    /// The order doesn't exist, or it is another buyer's.
    #[error("order not found")]
    NotFound,
    #[error("order can't be cancelled in its state")]
    IllegalTransition(OrderState),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Cancels all lines of a PENDING order, for its buyer or a supervisor. After the confirmation it
/// requests the cancellation of each line that can still be cancelled.
///
/// # Errors
/// [`CancelOrderError`]; nothing was changed then.
pub async fn cancel_order(
    store: &impl OrderWriter,
    order_id: OrderId,
    requester: Requester,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Order, CancelOrderError> {
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let outcome = change_order(store, order_id, |order| {
        match requester {
            Requester::Supervisor => {}
            Requester::Buyer(user) if user == order.user_id => {}
            Requester::Buyer(_) | Requester::Seller(_) => return Err(CancelOrderError::NotFound),
        }
        let cancelled = order.cancel(CancelReason::Buyer, now, &cause).or_else(|state| {
            let requested = order.request_cancel_of_lines(now, &cause);
            requested.map_err(|_| CancelOrderError::IllegalTransition(state))
        });
        cancelled.map(Some)
    });
    match outcome.await? {
        ChangeOutcome::NotFound => Err(CancelOrderError::NotFound),
        ChangeOutcome::Changed(order) | ChangeOutcome::Unchanged(order) => Ok(order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::{OrderUpdate, Transition},
        fixtures::{confirmed, insert_placed_order, placed_order},
        ports::OrderReader,
    };
    use rialto_contracts::{Event, inventory::StockReleased, orders::OrderLineState};
    use rialto_kernel::{UserId, Write};

    const NOW: Timestamp = Timestamp::from_millis(2_000);

    async fn store_with_order() -> (MemoryOrders, Order) {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;
        (store, order)
    }

    async fn cancel(
        store: &impl OrderWriter,
        order: &Order,
        requester: Requester,
    ) -> Result<Order, CancelOrderError> {
        cancel_order(store, order.order_id, requester, NOW, &EventContext::default()).await
    }

    #[tokio::test]
    async fn a_pending_order_is_cancelled_once() {
        let (store, order) = store_with_order().await;
        let buyer = Requester::Buyer(order.user_id);
        let cancelled = cancel(&store, &order, buyer).await.unwrap();
        assert_eq!(
            (cancelled.state, cancelled.reason),
            (OrderState::Cancelled, Some(CancelReason::Buyer))
        );
        let again = cancel(&store, &order, buyer).await;
        assert!(matches!(again, Err(CancelOrderError::IllegalTransition(OrderState::Cancelled))));
        assert_eq!(
            store.published_events().iter().filter(|event| event.kind == "OrderCancelled").count(),
            1
        );
    }

    #[tokio::test]
    async fn a_confirmed_orders_lines_are_requested_to_be_cancelled() {
        let (store, order) = store_with_order().await;
        assert_eq!(store.save(&confirmed(&order, NOW)).await.unwrap(), Write::Done);
        let buyer = Requester::Buyer(order.user_id);
        let requested = cancel(&store, &order, buyer).await.unwrap();
        assert_eq!(requested.state, OrderState::Confirmed);
        assert_eq!(requested.lines[0].state, OrderLineState::Canceling);
        let again = cancel(&store, &order, buyer).await;
        assert!(matches!(again, Err(CancelOrderError::IllegalTransition(OrderState::Confirmed))));
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(requested));
    }

    /// A store whose writes are done but reported as conflicts, after which other events are
    /// applied.
    struct LostResponseStore {
        store: MemoryOrders,
        later_events: Vec<Event>,
    }

    impl OrderReader for LostResponseStore {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            self.store.order(order).await
        }
    }

    impl OrderWriter for LostResponseStore {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            assert_eq!(self.store.save(change).await?, Write::Done);
            let mut order = change.order.clone();
            for event in &self.later_events {
                let update = order
                    .apply(event, Transition::RecordOnly, NOW, &EventContext::default())
                    .unwrap();
                assert_eq!(self.store.save(&update).await?, Write::Done);
                order = update.order;
            }
            Ok(Write::Conflict(()))
        }
    }

    #[tokio::test]
    async fn a_cancellation_that_conflicts_with_itself_succeeds() {
        let payload = StockReleased { order_id: placed_order().order.order_id, lines: Vec::new() };
        let released = Event::new(&payload, 2, 0, NOW, &EventContext::default());
        for later_events in [Vec::new(), vec![released]] {
            let (store, order) = store_with_order().await;
            let entries = 2 + later_events.len();
            let store = LostResponseStore { store, later_events };
            let cancelled = cancel(&store, &order, Requester::Buyer(order.user_id)).await.unwrap();
            assert_eq!(
                (cancelled.state, cancelled.timeline.len()),
                (OrderState::Cancelled, entries)
            );
        }
    }

    /// A store in which the deadline's cancellation comes before the first write.
    struct ExpiredFirstStore(MemoryOrders);

    impl OrderReader for ExpiredFirstStore {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            self.0.order(order).await
        }
    }

    impl OrderWriter for ExpiredFirstStore {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            if let Some(order) = self.0.order(change.order.order_id).await? {
                let cancelled = order.cancel(CancelReason::Timeout, NOW, &EventContext::default());
                assert_eq!(self.0.save(&cancelled.unwrap()).await?, Write::Done);
            }
            self.0.save(change).await
        }
    }

    #[tokio::test]
    async fn an_order_cancelled_by_its_deadline_is_not_a_success() {
        let (store, order) = store_with_order().await;
        let buyer = Requester::Buyer(order.user_id);
        let refused = cancel(&ExpiredFirstStore(store), &order, buyer).await;
        assert!(matches!(refused, Err(CancelOrderError::IllegalTransition(OrderState::Cancelled))));
    }

    /// A store in which every write conflicts with another one.
    struct ContendedStore(MemoryOrders);

    impl OrderReader for ContendedStore {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            self.0.order(order).await
        }
    }

    impl OrderWriter for ContendedStore {
        async fn save(&self, _: &OrderUpdate) -> Result<Write, StoreError> {
            Ok(Write::Conflict(()))
        }
    }

    #[tokio::test]
    async fn a_cancellation_that_keeps_conflicting_is_contended() {
        let (store, order) = store_with_order().await;
        let buyer = Requester::Buyer(order.user_id);
        let contended = cancel(&ContendedStore(store), &order, buyer).await;
        assert!(matches!(contended, Err(CancelOrderError::Store(StoreError::Contended))));
    }

    #[tokio::test]
    async fn another_buyers_order_is_not_cancelled() {
        let (store, order) = store_with_order().await;
        let other = Requester::Buyer(UserId::derive(&[b"other"]));
        let refused = cancel(&store, &order, other).await;
        assert!(matches!(refused, Err(CancelOrderError::NotFound)));
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order));
    }
}
