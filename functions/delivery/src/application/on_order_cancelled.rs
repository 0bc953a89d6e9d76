use crate::{
    domain::{
        delivery::{DeliveryRecord, DeliveryUpdate, ExpectedDelivery, MAX_LINES, delivery_id},
        draft::DeliveryDraft,
    },
    ports::DeliveryWriter,
};
use rialto_contracts::orders::OrderCancelled;
use rialto_kernel::{
    DeliveryId, OrderId, StoreError, Timestamp, Write,
    store::{self, Attempt},
};

/// The first line's number: every order has it.
const FIRST_LINE: u32 = 1;

/// Cancels every delivery of the order that hasn't started. Before the order's confirmation the
/// cancellation is stored until that arrives.
///
/// # Errors
/// [`StoreError`]: the event must be redelivered.
pub async fn on_order_cancelled(
    store: &impl DeliveryWriter,
    event: &OrderCancelled,
    now: Timestamp,
) -> Result<Write, StoreError> {
    let order = event.order_id;
    // The event doesn't say which lines the order has, but their ids can be derived.
    let ids = (FIRST_LINE..=MAX_LINES).map(|line_no| delivery_id(order, line_no));
    let ids: &[DeliveryId] = &ids.collect::<Vec<_>>();
    store::update(|| async move {
        let records = store.records(ids).await?.into_values().collect();
        match cancel_order(order, records, now) {
            Some(update) => Ok(store.save(&update).await?.into_attempt(Write::Done)),
            None => Ok(Attempt::Done(Write::Conflict(()))),
        }
    })
    .await
}

/// The write of a cancellation; `None` if there is nothing to cancel.
fn cancel_order(
    order: OrderId,
    records: Vec<DeliveryRecord>,
    now: Timestamp,
) -> Option<DeliveryUpdate> {
    let first = delivery_id(order, FIRST_LINE);
    let mut expected = ExpectedDelivery::new(first, order);
    let mut drafts = Vec::new();
    for record in records {
        match record {
            DeliveryRecord::Prepared(delivery) => drafts.push(DeliveryDraft::of(delivery)),
            DeliveryRecord::Expected(early) if early.delivery_id == first => expected = early,
            DeliveryRecord::Expected(_) => {}
        }
    }
    if drafts.is_empty() {
        return expected.with_cancelled_order(now).map(DeliveryUpdate::from);
    }
    drafts.iter_mut().for_each(DeliveryDraft::cancel);
    let update: DeliveryUpdate = drafts.into_iter().collect();
    (!update.deliveries.is_empty()).then_some(update)
}
