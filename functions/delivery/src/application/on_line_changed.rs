use crate::{
    domain::{
        delivery::{DeliveryRecord, DeliveryUpdate, ExpectedDelivery, delivery_id},
        draft::WriteContext,
        line_change::LineChange,
        line_deliveries::LineDeliveries,
    },
    ports::DeliveryWriter,
};
use rialto_contracts::orders::LineMismatch;
use rialto_kernel::{
    PlantedBug, StoreError, Write,
    store::{self, Attempt},
};

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum ApplyChangeError {
    #[error(transparent)]
    Mismatch(#[from] LineMismatch),
    #[error("a parcel that a part was split off in is missing")]
    NoParcel,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies a change of a line to its delivery, after the splits that delivery doesn't have yet.
/// Before the order's confirmation the change is stored until that arrives.
///
/// # Errors
/// [`ApplyChangeError`]: the event must be redelivered.
pub async fn on_line_changed(
    store: &impl DeliveryWriter,
    change: &LineChange,
    write: &WriteContext,
) -> Result<Write, ApplyChangeError> {
    store::update(|| async move {
        match next_update(store, change, write).await? {
            Some(update) => Ok(store.save(&update).await?.into_attempt(Write::Done)),
            None => Ok(Attempt::Done(Write::Conflict(()))),
        }
    })
    .await
}

/// The write of a change; `None` if there is nothing to change.
async fn next_update(
    store: &impl DeliveryWriter,
    change: &LineChange,
    write: &WriteContext,
) -> Result<Option<DeliveryUpdate>, ApplyChangeError> {
    let root = delivery_id(change.line.order_id, change.line.root);
    let records = store.records(&change.delivery_ids()).await?;
    let unknown = ExpectedDelivery::new(root, change.line.order_id);
    let expected = match records.get(&root) {
        None => Some(&unknown),
        Some(DeliveryRecord::Expected(expected)) => Some(expected),
        Some(DeliveryRecord::Prepared(_)) => None,
    };
    if expected.is_some() && PlantedBug::EarlyLineChangeForgotten.is_planted() {
        return Ok(None);
    }
    if let Some(expected) = expected {
        return Ok(expected.with_change(change).map(DeliveryUpdate::from));
    }
    let deliveries = records.into_values().filter_map(DeliveryRecord::into_delivery);
    let mut deliveries = LineDeliveries::new(deliveries);
    deliveries.apply(change, write)?;
    let mut parcels = Vec::new();
    for parcel in deliveries.joined_parcels() {
        parcels.push(store.parcel(parcel).await?.ok_or(ApplyChangeError::NoParcel)?);
    }
    let update = deliveries.into_update(parcels);
    Ok((!update.deliveries.is_empty()).then_some(update))
}
