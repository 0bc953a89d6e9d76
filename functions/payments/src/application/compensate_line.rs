use super::charge_steps::{SettleError, settle_refunds};
use crate::{
    domain::payment::NotCaptured,
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Amount, OrderId, StoreError, Timestamp, Write, store::MAX_ATTEMPTS};

/// The refund of a line that was rejected, cancelled or returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRefund {
    pub order_id: OrderId,
    pub line_no: u32,
    pub amount: Amount,
}

impl LineRefund {
    #[must_use]
    pub const fn new(order_id: OrderId, line_no: u32, amount: Amount) -> Self {
        Self { order_id, line_no, amount }
    }
}

/// An error after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum CompensateLineError {
    #[error("order {0} has no payment")]
    NoPayment(OrderId),
    #[error("a line of order {order} can't be refunded: {error}")]
    NotCaptured { order: OrderId, error: NotCaptured },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Refunds a line once, and never more than remains of the capture. Lines only end after their order
/// was confirmed, and so after its capture was stored.
///
/// # Errors
/// [`CompensateLineError`]: the event must be redelivered.
pub async fn compensate_line(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    line: &LineRefund,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Write, CompensateLineError> {
    let order = line.order_id;
    let stored = store.payment(order).await?;
    let mut payment = stored.ok_or(CompensateLineError::NoPayment(order))?;
    let version = payment.version;
    let mut attempts = 0..MAX_ATTEMPTS;
    while let Some(change) = payment
        .compensate_line(line.line_no, line.amount, cause)
        .map_err(|error| CompensateLineError::NotCaptured { order, error })?
    {
        attempts.next().ok_or(StoreError::Contended)?;
        payment = match store.save(&change).await? {
            Write::Done => change.payment,
            Write::Conflict(stored) => *stored,
        };
    }
    let payment = settle_refunds(store, provider, payment, now, now, cause).await?;
    Ok(if payment.version == version { Write::Conflict(()) } else { Write::Done })
}
