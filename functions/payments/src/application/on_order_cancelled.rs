use super::charge_steps::{SettleError, settle_refunds, update_payment};
use crate::{
    domain::payment::Payment,
    ports::{PaymentWriter, Provider},
};
use rialto_contracts::{EventContext, orders::OrderCancelled};
use rialto_kernel::{StoreError, Timestamp, Write};

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum OnOrderCancelledError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Prevents further charges of the order and refunds what was captured. If the cancellation arrives
/// before its payment, a tombstone is stored, and the order is never charged.
///
/// # Errors
/// [`OnOrderCancelledError`]: the event must be redelivered.
pub async fn on_order_cancelled(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    event: &OrderCancelled,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, OnOrderCancelledError> {
    let tombstone = Payment::tombstone(event, cause);
    let stored = match store.save(&tombstone).await? {
        Write::Done => return Ok(Write::Done),
        Write::Conflict(stored) => *stored,
    };
    let version = stored.version;
    let cancelled = update_payment(store, stored, |payment| payment.cancel(cause)).await?;
    let payment = settle_refunds(store, provider, cancelled, now, now, cause).await?;
    Ok(if payment.version == version { Write::Conflict(()) } else { Write::Done })
}
