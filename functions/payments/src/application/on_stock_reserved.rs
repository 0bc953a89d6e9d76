use super::{charge::charge_order, charge_steps::SettleError};
use crate::{
    domain::payment::Payment,
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::{EventContext, inventory::StockReserved};
use rialto_kernel::{Clock, StoreError, Write};
use std::time::Duration;

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum OnStockReservedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Charges the order by three writes: the pending payment, the provider's intent before it is
/// confirmed, and the outcome. A repeated event continues where the previous attempt stopped. After
/// the deadline or the order's cancellation no charge is started. After a failure the buyer may pay
/// again for `retry_window`. `clock` is read before each step
/// that depends on the deadline, because earlier steps take time.
///
/// # Errors
/// [`OnStockReservedError`]: the event must be redelivered.
pub async fn on_stock_reserved(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    event: &StockReserved,
    retry_window: Duration,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Write, OnStockReservedError> {
    let pending = Payment::pending(event, retry_window, clock.now(), cause);
    let (payment, version) = match store.save(&pending).await? {
        Write::Done => (pending.payment, 0),
        Write::Conflict(stored) => (*stored.clone(), stored.version),
    };
    let payment = charge_order(store, provider, payment, cause, clock).await?;
    Ok(if payment.version == version { Write::Conflict(()) } else { Write::Done })
}
