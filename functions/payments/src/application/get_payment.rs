use crate::{domain::payment::Payment, ports::PaymentReader};
use rialto_kernel::{OrderId, StoreError, UserId};

/// Why a payment isn't shown.
#[derive(Debug, thiserror::Error)]
pub enum GetPaymentError {
    /// The order has none, or it is somebody else's.
    #[error("no such payment")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// # Errors
/// [`GetPaymentError`] unless the order has a payment and `may_see` its buyer's.
pub async fn get_payment(
    store: &impl PaymentReader,
    order: OrderId,
    may_see: impl Fn(UserId) -> bool,
) -> Result<Payment, GetPaymentError> {
    match store.payment(order).await? {
        Some(payment) if may_see(payment.user_id) => Ok(payment),
        _ => Err(GetPaymentError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adapters::memory::MemoryPayments, ports::PaymentWriter};
    use rialto_contracts::orders::{CancelReason, OrderCancelled};

    #[tokio::test]
    async fn somebody_elses_payment_is_as_none() {
        let (store, order) = (MemoryPayments::default(), OrderId::derive(&[b"o"]));
        let buyer = UserId::derive(&[b"buyer"]);
        let seen_by = |account| get_payment(&store, order, move |user| user == account);
        assert!(matches!(seen_by(buyer).await, Err(GetPaymentError::NotFound)));

        let cancelled =
            OrderCancelled { order_id: order, user_id: buyer, reason: CancelReason::Buyer };
        let stored = Payment::tombstone(&cancelled, &rialto_contracts::EventContext::default());
        assert_eq!(store.save(&stored).await, Ok(rialto_kernel::Write::Done));
        assert_eq!(seen_by(buyer).await.unwrap(), stored.payment);
        let other = UserId::derive(&[b"other"]);
        assert!(matches!(seen_by(other).await, Err(GetPaymentError::NotFound)));
    }
}
