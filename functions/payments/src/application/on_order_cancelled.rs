use super::charge_steps::{SettleError, cancel_open_charge, settle_refunds, update_payment};
use crate::{
    domain::payment::{Payment, PaymentState},
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

/// Prevents further charges of the order and refunds what was captured. A charge that waits for the
/// buyer is cancelled at once, and recorded as the provider reports it. If the cancellation arrives
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
    let ended = end_action(store, provider, cancelled, cause, now).await?;
    let payment = settle_refunds(store, provider, ended, now, now, cause).await?;
    Ok(if payment.version == version { Write::Conflict(()) } else { Write::Done })
}

/// Cancels a charge that waits for the buyer.
async fn end_action(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    payment: Payment,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Payment, SettleError> {
    let intent = match &payment.intent_id {
        Some(intent)
            if payment.state == PaymentState::RequiresAction && payment.cancel_requested =>
        {
            &intent.clone()
        }
        _ => return Ok(payment),
    };
    match cancel_open_charge(provider, intent).await? {
        Some(outcome) => {
            let settle = |payment: &Payment| payment.settle_intent(intent, &outcome, now, cause);
            Ok(update_payment(store, payment, settle).await?)
        }
        None => Ok(payment),
    }
}
