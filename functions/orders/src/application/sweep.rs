use crate::ports::{ExpiredOrders, OrderWriter};
use futures_util::{StreamExt, stream};
use rialto_contracts::{EventContext, orders::CancelReason};
use rialto_kernel::{OrderId, StoreError, Timestamp, Write};

/// Orders that one sweep cancels at most; the next one runs a minute later.
pub const BATCH_LIMIT: usize = 500;

/// Orders that are cancelled concurrently.
const CONCURRENCY: usize = 10;

/// The result of a sweep.
#[derive(Debug, Default)]
pub struct SweepSummary {
    pub cancelled: usize,
    /// Orders that another write settled first, or that aren't due.
    pub skipped: usize,
    /// Orders that the next sweep must retry, each with its error.
    pub failed: Vec<(OrderId, StoreError)>,
}

/// Cancels (TIMEOUT) orders that are still PENDING past their deadline, by the same conditional
/// write as a buyer's cancellation. The index only lists candidates; the order itself decides. A
/// failing order doesn't block the others.
///
/// # Errors
/// [`StoreError`] if the candidates can't be listed.
pub async fn sweep(
    store: &(impl ExpiredOrders + OrderWriter + Sync),
    now: Timestamp,
    cause: &EventContext,
) -> Result<SweepSummary, StoreError> {
    let due = store.due_before(now, BATCH_LIMIT).await?;
    let results = stream::iter(due)
        .map(|order| async move { (order, cancel_expired(store, order, now, cause).await) })
        .buffer_unordered(CONCURRENCY);
    let count = |mut summary: SweepSummary, (order, result)| {
        match result {
            Ok(Write::Done) => summary.cancelled += 1,
            Ok(Write::Conflict(())) => summary.skipped += 1,
            Err(error) => summary.failed.push((order, error)),
        }
        std::future::ready(summary)
    };
    Ok(results.fold(SweepSummary::default(), count).await)
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
        fixtures::insert_placed_order,
        ports::OrderReader,
    };
    use std::time::Duration;

    /// Cancelled, skipped and failed orders of one sweep.
    async fn sweep_counts(
        store: &(impl ExpiredOrders + OrderWriter + Sync),
        now: Timestamp,
    ) -> (usize, usize, usize) {
        let summary = sweep(store, now, &EventContext::default()).await.unwrap();
        (summary.cancelled, summary.skipped, summary.failed.len())
    }

    /// A store that lists one order first which it can't read.
    struct CorruptOrderStore(MemoryOrders, OrderId);

    impl ExpiredOrders for CorruptOrderStore {
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

    impl OrderReader for CorruptOrderStore {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            if order == self.1 {
                Err(StoreError::Corrupt("truncated".to_owned()))
            } else {
                self.0.order(order).await
            }
        }
    }

    impl OrderWriter for CorruptOrderStore {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            self.0.save(change).await
        }
    }

    #[tokio::test]
    async fn a_failing_order_does_not_block_the_others() {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;
        let store = CorruptOrderStore(store, OrderId::derive(&[b"corrupt"]));
        assert_eq!(sweep_counts(&store, order.expires_at).await, (1, 0, 1));
    }

    #[tokio::test]
    async fn a_pending_order_is_cancelled_after_its_deadline() {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;

        let early = Timestamp::from_millis(order.expires_at.millis() - 1);
        assert_eq!(sweep_counts(&store, early).await, (0, 0, 0));
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order.clone()));

        let late = order.expires_at.plus(Duration::from_secs(1));
        assert_eq!(sweep_counts(&store, late).await, (1, 0, 0));
        let cancelled = store.order(order.order_id).await.unwrap().unwrap();
        assert_eq!(
            (cancelled.state, cancelled.reason),
            (OrderState::Cancelled, Some(CancelReason::Timeout))
        );
        assert_eq!(sweep_counts(&store, late).await, (0, 0, 0));
    }
}
