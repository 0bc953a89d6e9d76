use super::charge_steps::{SettleError, settle_refunds, update_payment};
use crate::{
    domain::payment::Payment,
    ports::{PaymentWriter, Provider},
};
use rialto_contracts::{EventContext, orders::OrderCancelled};
use rialto_kernel::{StoreError, Timestamp, Write};

/// Why the cancellation is left to the queue's retry.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderCancelledError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Step(#[from] SettleError),
}

/// Sees to it that nothing more is charged, and gives back what was. A cancellation heard before anything was to be
/// paid is kept.
///
/// # Errors
/// [`OnOrderCancelledError`]: the event has to come again.
pub async fn on_order_cancelled(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    event: &OrderCancelled,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, OnOrderCancelledError> {
    let tombstone = Payment::tombstone(event, cause);
    let found = match store.save(&tombstone).await? {
        Write::Done => return Ok(Write::Done),
        Write::Conflict(there) => *there,
    };
    let version = found.version;
    let cancelled = update_payment(store, found, |payment| payment.cancel(cause)).await?;
    let payment = settle_refunds(store, provider, cancelled, now, cause).await?;
    Ok(if payment.version == version { Write::Conflict(()) } else { Write::Done })
}
