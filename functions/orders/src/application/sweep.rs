use crate::{domain::order::Order, ports::OrderWriter};
use rialto_contracts::EventContext;
use rialto_kernel::{
    DueQueue, OrderId, StoreError, Timestamp,
    store::{self, Attempt},
};
use rialto_lambda::sweep::{SweepPolicy, SweepRun, SweepSummary, Visit, visit_due};
use std::time::Duration;

const POLICY: SweepPolicy = SweepPolicy {
    concurrency: 20,
    reserve: Duration::from_secs(5),
    retry_after: Duration::from_secs(5 * 60),
};

/// Does what nobody has done by the deadlines of orders and their lines, by the same conditional
/// writes as the requests that would have done it. The index only lists candidates; the order
/// itself decides.
///
/// # Errors
/// [`StoreError`] if the candidates can't be listed.
pub async fn sweep(
    store: &(impl DueQueue<Id = OrderId> + OrderWriter + Sync),
    run: &SweepRun,
    cause: &EventContext,
) -> Result<SweepSummary, StoreError> {
    visit_due(store, run, &POLICY, |order| expire(store, order, run.now, cause)).await
}

/// An order without a passed deadline that is listed nevertheless is postponed.
async fn expire(
    store: &impl OrderWriter,
    order_id: OrderId,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Visit, StoreError> {
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let cause = &cause;
    store::update(|| async move {
        let order: Option<Order> = store.order(order_id).await?;
        match order.and_then(|order| order.expire(now, cause)) {
            Some(change) => Ok(store.save(&change).await?.into_attempt(Visit::Settled)),
            None => Ok(Attempt::Done(Visit::Waiting)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::{dynamodb::DEADLINES, memory::MemoryOrders},
        domain::order::{OrderState, OrderUpdate},
        fixtures::{self, insert_placed_order},
        ports::{IdempotencyRecord, OrderPlacer, OrderReader},
    };
    use rialto_contracts::orders::CancelReason;
    use rialto_kernel::{DueEntry, SystemClock, Write};
    use std::sync::Arc;

    /// A run with more time than it needs.
    fn run(now: Timestamp) -> SweepRun {
        SweepRun::new(now, Timestamp::from_millis(i64::MAX), Arc::new(SystemClock))
    }

    /// Settled, waiting and failed orders of one sweep.
    async fn counts(
        store: &(impl DueQueue<Id = OrderId> + OrderWriter + Sync),
        now: Timestamp,
    ) -> (usize, usize, usize) {
        let swept = sweep(store, &run(now), &EventContext::default()).await.unwrap();
        (swept.settled, swept.waiting, swept.failed)
    }

    /// A store that can't read its unreadable orders.
    struct CorruptOrderStore {
        store: MemoryOrders,
        is_unreadable: fn(OrderId) -> bool,
    }

    impl DueQueue for CorruptOrderStore {
        type Id = OrderId;
        const SHARDS: u8 = MemoryOrders::SHARDS;

        async fn due(
            &self,
            shard: u8,
            now: Timestamp,
            after: Option<&DueEntry<OrderId>>,
            limit: usize,
        ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
            self.store.due(shard, now, after, limit).await
        }

        async fn postpone(
            &self,
            entry: &DueEntry<OrderId>,
            until: Timestamp,
        ) -> Result<Write, StoreError> {
            self.store.postpone(entry, until).await
        }
    }

    impl OrderReader for CorruptOrderStore {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            if (self.is_unreadable)(order) {
                Err(StoreError::Corrupt("truncated".to_owned()))
            } else {
                self.store.order(order).await
            }
        }
    }

    impl OrderWriter for CorruptOrderStore {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            self.store.save(change).await
        }
    }

    /// Places this many orders that are listed in this shard.
    async fn insert_in_shard(store: &MemoryOrders, shard: u8, count: usize) {
        let partition = DEADLINES.partition_for_shard(shard);
        let ids = (0_u32..).map(|number| OrderId::derive(&[&number.to_be_bytes()]));
        let of_shard = ids.filter(|id| DEADLINES.partition_for(&id.to_string()) == partition);
        for order_id in of_shard.take(count) {
            let mut change = fixtures::placed_order();
            change.order.order_id = order_id;
            let written = store.insert(&change, &IdempotencyRecord::empty(), &[]).await.unwrap();
            assert_eq!(written, Write::Done);
        }
    }

    #[tokio::test]
    async fn every_expired_order_of_every_shard_is_cancelled() {
        let store = MemoryOrders::default();
        insert_in_shard(&store, 0, 10_000).await;
        insert_in_shard(&store, 7, 1).await;
        let late = fixtures::placed_order().order.expires_at;
        assert_eq!(counts(&store, late).await, (10_001, 0, 0));
        assert_eq!(counts(&store, late).await, (0, 0, 0));
    }

    #[tokio::test]
    async fn an_unreadable_order_is_postponed() {
        let store = MemoryOrders::default();
        insert_in_shard(&store, 0, 10).await;
        insert_in_shard(&store, 7, 1).await;
        let is_unreadable =
            |order: OrderId| DEADLINES.partition_for(&order.to_string()) == "PENDING#0";
        let store = CorruptOrderStore { store, is_unreadable };
        let late = fixtures::placed_order().order.expires_at;
        assert_eq!(counts(&store, late).await, (1, 0, 10));
        assert_eq!(counts(&store, late).await, (0, 0, 0));
        assert_eq!(counts(&store, late.plus(POLICY.retry_after)).await, (0, 0, 10));
    }

    #[tokio::test]
    async fn a_pending_order_is_cancelled_after_its_deadline() {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;

        let early = Timestamp::from_millis(order.expires_at.millis() - 1);
        assert_eq!(counts(&store, early).await, (0, 0, 0));
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order.clone()));

        let late = order.expires_at.plus(Duration::from_secs(1));
        assert_eq!(counts(&store, late).await, (1, 0, 0));
        let cancelled = store.order(order.order_id).await.unwrap().unwrap();
        assert_eq!(
            (cancelled.state, cancelled.reason),
            (OrderState::Cancelled, Some(CancelReason::Timeout))
        );
        assert_eq!(counts(&store, late).await, (0, 0, 0));
    }
}
