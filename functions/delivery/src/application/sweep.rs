use super::get_delivery::load_delivery;
use crate::{
    domain::{
        delivery::{DeliveryDeadlines, DeliveryState},
        draft::{DeliveryDraft, WriteContext},
    },
    ports::DeliveryWriter,
};
use rialto_contracts::EventContext;
use rialto_kernel::{
    DeliveryId, DueQueue, StoreError,
    store::{self, Attempt},
};
use rialto_lambda::sweep::{SweepPolicy, SweepRun, SweepSummary, Visit, visit_due};
use std::time::Duration;

const POLICY: SweepPolicy = SweepPolicy {
    concurrency: 20,
    reserve: Duration::from_secs(5),
    retry_after: Duration::from_secs(5 * 60),
};

/// Takes deliveries further that nobody did in time: from DELIVERING to DELIVERED, and from
/// DELIVERED to CONFIRMED, by the same conditional writes. The index only lists candidates; the
/// delivery itself decides.
///
/// # Errors
/// [`StoreError`] if the candidates can't be listed.
pub async fn sweep(
    store: &(impl DueQueue<Id = DeliveryId> + DeliveryWriter + Sync),
    run: &SweepRun,
    deadlines: &DeliveryDeadlines,
    cause: &EventContext,
) -> Result<SweepSummary, StoreError> {
    let write = &WriteContext { now: run.now, cause: cause.clone() };
    visit_due(store, run, &POLICY, |id| take_further(store, id, deadlines, write)).await
}

/// A delivery that isn't due has left its place in the index. One that is listed nevertheless is
/// postponed.
async fn take_further(
    store: &impl DeliveryWriter,
    delivery_id: DeliveryId,
    deadlines: &DeliveryDeadlines,
    write: &WriteContext,
) -> Result<Visit, StoreError> {
    store::update(|| async move {
        let delivery = load_delivery(store, delivery_id).await?;
        let due = delivery.filter(|of| of.due_at.is_some_and(|due_at| due_at <= write.now));
        let Some(delivery) = due else { return Ok(Attempt::Done(Visit::Waiting)) };
        let state = delivery.state;
        let mut draft = DeliveryDraft::of(delivery);
        let taken = match state {
            DeliveryState::Delivering => draft.complete(deadlines, write),
            _ => draft.confirm_receipt(write),
        };
        if taken.is_err() {
            return Ok(Attempt::Done(Visit::Waiting));
        }
        let update = std::iter::once(draft).collect();
        Ok(store.save(&update).await?.into_attempt(Visit::Settled))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryDelivery,
        fixtures::{
            DELIVERED_AT, STARTED_AT, deadlines, insert_delivered, insert_started, write_at,
        },
    };
    use rialto_kernel::{SystemClock, Timestamp};
    use std::sync::Arc;

    /// Settled, waiting and failed deliveries of one sweep.
    async fn counts(store: &MemoryDelivery, now: Timestamp) -> (usize, usize, usize) {
        let run = SweepRun::new(now, Timestamp::from_millis(i64::MAX), Arc::new(SystemClock));
        let swept = sweep(store, &run, &deadlines(), &EventContext::default()).await.unwrap();
        (swept.settled, swept.waiting, swept.failed)
    }

    fn last_event(store: &MemoryDelivery) -> String {
        store.published_events().pop().unwrap().kind
    }

    #[tokio::test]
    async fn a_delivery_is_delivered_after_its_deadline() {
        let store = MemoryDelivery::default();
        insert_started(&store, &[2]).await;
        let due = write_at(STARTED_AT).now.plus(deadlines().delivery);
        assert_eq!(counts(&store, Timestamp::from_millis(due.millis() - 1)).await, (0, 0, 0));
        assert_eq!(counts(&store, due).await, (1, 0, 0));
        let delivery = store.deliveries().remove(0);
        assert_eq!(delivery.state, DeliveryState::Delivered);
        assert_eq!(delivery.delivered_at, Some(due));
        assert_eq!(last_event(&store), "DeliveryCompleted");
        // The time to confirm the receipt begins with it.
        assert_eq!(counts(&store, due).await, (0, 0, 0));
        assert_eq!(counts(&store, due.plus(deadlines().receipt)).await, (1, 0, 0));
        assert_eq!(last_event(&store), "ReceiptConfirmed");
    }

    #[tokio::test]
    async fn a_receipt_is_confirmed_after_its_deadline() {
        let store = MemoryDelivery::default();
        insert_delivered(&store, &[2]).await;
        let due = write_at(DELIVERED_AT).now.plus(deadlines().receipt);
        assert_eq!(counts(&store, Timestamp::from_millis(due.millis() - 1)).await, (0, 0, 0));
        assert_eq!(counts(&store, due).await, (1, 0, 0));
        assert_eq!(store.deliveries()[0].state, DeliveryState::Confirmed);
        assert_eq!(last_event(&store), "ReceiptConfirmed");
        assert_eq!(counts(&store, due.plus(deadlines().receipt)).await, (0, 0, 0));
    }
}
