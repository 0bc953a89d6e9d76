use super::get_order::Requester;
use crate::{
    domain::{
        order::{Order, OrderState},
        timeline::TimelineEntry,
    },
    ports::OrderWriter,
};
use rialto_contracts::{EventContext, orders::CancelReason};
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
const MAX_ATTEMPTS: u32 = 5;

/// Cancels a PENDING order at once, as a whole, for its buyer or a supervisor.
///
/// # Errors
/// [`CancelOrderError`]; nothing has changed then.
pub async fn cancel_order(
    store: &impl OrderWriter,
    order_id: OrderId,
    viewer: Requester,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Order, CancelOrderError> {
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let mut tried: Vec<TimelineEntry> = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        let order = store.order(order_id).await?.ok_or(CancelOrderError::NotFound)?;
        // A write whose answer was lost is sent again, and then collides with itself. Other events may have come since.
        if order.timeline.iter().any(|entry| tried.contains(entry)) {
            return Ok(order);
        }
        match viewer {
            Requester::Supervisor => {}
            Requester::Buyer(user) if user == order.user_id => {}
            Requester::Buyer(_) | Requester::Seller(_) => return Err(CancelOrderError::NotFound),
        }
        let change = order
            .cancel(CancelReason::Buyer, now, &cause)
            .map_err(CancelOrderError::IllegalTransition)?;
        if store.save(&change).await? == Write::Done {
            return Ok(change.order);
        }
        tried = change.events.iter().map(TimelineEntry::from).collect();
    }
    Err(StoreError::Unavailable("the order changes too fast".to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::{OrderUpdate, Transition},
        ports::{IdempotencyRecord, OrderPlacer, OrderReader},
        testing,
    };
    use rialto_contracts::{Event, inventory::StockReleased};
    use rialto_kernel::UserId;

    const NOW: Timestamp = Timestamp::from_millis(2_000);

    async fn placed() -> (MemoryOrders, Order) {
        let store = MemoryOrders::default();
        let change = testing::order();
        let placing = IdempotencyRecord { body_hash: String::new(), response_body: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);
        (store, change.order)
    }

    #[tokio::test]
    async fn a_pending_order_is_cancelled_once() {
        let (store, order) = placed().await;
        let buyer = Requester::Buyer(order.user_id);
        let cancelled = cancel_order(&store, order.order_id, buyer, NOW, &EventContext::default())
            .await
            .unwrap();
        assert_eq!(
            (cancelled.state, cancelled.reason),
            (OrderState::Cancelled, Some(CancelReason::Buyer))
        );
        let again =
            cancel_order(&store, order.order_id, buyer, NOW, &EventContext::default()).await;
        assert!(matches!(again, Err(CancelOrderError::IllegalTransition(OrderState::Cancelled))));
        assert_eq!(
            store.published_events().iter().filter(|event| event.kind == "OrderCancelled").count(),
            1
        );
    }

    /// A store whose first write happens, and then looks as if somebody else had been quicker; other events follow at once.
    struct Forgetful {
        store: MemoryOrders,
        then: Vec<Event>,
    }

    impl OrderReader for Forgetful {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            self.store.order(order).await
        }
    }

    impl OrderWriter for Forgetful {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            assert_eq!(self.store.save(change).await?, Write::Done);
            let mut order = change.order.clone();
            for event in &self.then {
                let heard = order
                    .apply(event, Transition::RecordOnly, NOW, &EventContext::default())
                    .unwrap();
                assert_eq!(self.store.save(&heard).await?, Write::Done);
                order = heard.order;
            }
            Ok(Write::Conflict(()))
        }
    }

    #[tokio::test]
    async fn a_cancellation_that_collides_with_itself_has_happened() {
        let payload =
            StockReleased { order_id: testing::order().order.order_id, lines: Vec::new() };
        let released = Event::new(&payload, 2, 0, NOW, &EventContext::default());
        for then in [Vec::new(), vec![released]] {
            let (store, order) = placed().await;
            let (entries, store) = (2 + then.len(), Forgetful { store, then });
            let buyer = Requester::Buyer(order.user_id);
            let cancelled =
                cancel_order(&store, order.order_id, buyer, NOW, &EventContext::default())
                    .await
                    .unwrap();
            assert_eq!(
                (cancelled.state, cancelled.timeline.len()),
                (OrderState::Cancelled, entries)
            );
        }
    }

    /// A store in which the deadline is quicker than the first write.
    struct TooLate(MemoryOrders);

    impl OrderReader for TooLate {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            self.0.order(order).await
        }
    }

    impl OrderWriter for TooLate {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            if let Some(order) = self.0.order(change.order.order_id).await? {
                let cancelled = order.cancel(CancelReason::Timeout, NOW, &EventContext::default());
                assert_eq!(self.0.save(&cancelled.unwrap()).await?, Write::Done);
            }
            self.0.save(change).await
        }
    }

    #[tokio::test]
    async fn what_the_deadline_cancelled_is_not_taken_for_the_buyers_success() {
        let (store, order) = placed().await;
        let buyer = Requester::Buyer(order.user_id);
        let refused =
            cancel_order(&TooLate(store), order.order_id, buyer, NOW, &EventContext::default())
                .await;
        assert!(matches!(refused, Err(CancelOrderError::IllegalTransition(OrderState::Cancelled))));
    }

    #[tokio::test]
    async fn somebody_elses_order_is_not_found_and_stays() {
        let (store, order) = placed().await;
        let another = Requester::Buyer(UserId::derive(&[b"another"]));
        let refused =
            cancel_order(&store, order.order_id, another, NOW, &EventContext::default()).await;
        assert!(matches!(refused, Err(CancelOrderError::NotFound)));
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order));
    }
}
