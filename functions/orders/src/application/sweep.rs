use crate::ports::{ExpiredOrders, OrderWriter};
use futures_util::{StreamExt, stream};
use rialto_contracts::{EventContext, orders::CancelReason};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// How many orders one sweep settles at most; the next one goes on a minute later.
pub const BATCH_LIMIT: usize = 500;

/// How many are settled at once.
const CONCURRENCY: usize = 10;

/// What a sweep did.
#[derive(Debug, Default)]
pub struct SweepSummary {
    pub cancelled: usize,
    /// Settled by somebody else in the meantime, or not due after all.
    pub skipped: usize,
    /// Those that the next sweep has to try again, and why.
    pub failed: Vec<(OrderId, StoreError)>,
}

/// Cancels (TIMEOUT) the orders that are still PENDING past their deadline, by the same conditional write that a buyer's
/// cancellation makes. The index only finds them; what each is, its own item tells. One that fails doesn't keep the others.
///
/// # Errors
/// [`StoreError`] when they can't be listed.
pub async fn sweep(
    store: &(impl ExpiredOrders + OrderWriter + Sync),
    now: Timestamp,
    cause: &EventContext,
) -> Result<SweepSummary, StoreError> {
    let due = store.due_before(now, BATCH_LIMIT).await?;
    let settled = stream::iter(due)
        .map(|order| async move { (order, cancel_expired(store, order, now, cause).await) })
        .buffer_unordered(CONCURRENCY);
    let count = |mut swept: SweepSummary, (order, result)| {
        match result {
            Ok(Write::Done) => swept.cancelled += 1,
            Ok(Write::Conflict(())) => swept.skipped += 1,
            Err(error) => swept.failed.push((order, error)),
        }
        std::future::ready(swept)
    };
    Ok(settled.fold(SweepSummary::default(), count).await)
}

async fn cancel_expired(
    store: &impl OrderWriter,
    order_id: OrderId,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Write, StoreError> {
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let order = store.order(order_id).await?.filter(|order| order.expires_at <= now);
    match order.and_then(|order| order.cancel(CancelReason::Timeout, now, &cause).ok()) {
        Some(change) => store.save(&change).await,
        None => Ok(Write::Conflict(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::{Order, OrderState, OrderUpdate},
        ports::{IdempotencyRecord, OrderPlacer, OrderReader},
        testing,
    };
    use std::time::Duration;

    fn counts(swept: &SweepSummary) -> (usize, usize, usize) {
        (swept.cancelled, swept.skipped, swept.failed.len())
    }

    /// A store that can't read one of its orders.
    struct Broken(MemoryOrders, OrderId);

    impl ExpiredOrders for Broken {
        async fn due_before(
            &self,
            now: Timestamp,
            limit: usize,
        ) -> Result<Vec<OrderId>, StoreError> {
            let mut due = self.0.due_before(now, limit).await?;
            due.insert(0, self.1);
            Ok(due)
        }
    }

    impl OrderReader for Broken {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            if order == self.1 {
                Err(StoreError::Corrupt("torn".to_owned()))
            } else {
                self.0.order(order).await
            }
        }
    }

    impl OrderWriter for Broken {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            self.0.save(change).await
        }
    }

    #[tokio::test]
    async fn an_order_that_cannot_be_settled_does_not_keep_the_others() {
        let store = MemoryOrders::default();
        let change = testing::order();
        let placing = IdempotencyRecord { body_hash: String::new(), response_body: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);
        let broken = Broken(store, OrderId::derive(&[b"broken"]));
        let late = change.order.expires_at;
        assert_eq!(
            counts(&sweep(&broken, late, &EventContext::default()).await.unwrap()),
            (1, 0, 1)
        );
    }

    #[tokio::test]
    async fn an_order_is_cancelled_when_its_time_has_come_and_not_before() {
        let store = MemoryOrders::default();
        let change = testing::order();
        let order = change.order.clone();
        let placing = IdempotencyRecord { body_hash: String::new(), response_body: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);

        let early = Timestamp::from_millis(order.expires_at.millis() - 1);
        assert_eq!(
            counts(&sweep(&store, early, &EventContext::default()).await.unwrap()),
            (0, 0, 0)
        );
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order.clone()));

        let late = order.expires_at.plus(Duration::from_secs(1));
        assert_eq!(
            counts(&sweep(&store, late, &EventContext::default()).await.unwrap()),
            (1, 0, 0)
        );
        let cancelled = store.order(order.order_id).await.unwrap().unwrap();
        assert_eq!(
            (cancelled.state, cancelled.reason),
            (OrderState::Cancelled, Some(CancelReason::Timeout))
        );
        assert_eq!(
            counts(&sweep(&store, late, &EventContext::default()).await.unwrap()),
            (0, 0, 0)
        );
    }
}
