use crate::{domain::payment::Payment, ports::PaymentReader};
use rialto_kernel::{OrderId, StoreError, UserId};

/// An error of [`get_payment`].
#[derive(Debug, thiserror::Error)]
pub enum GetPaymentError {
    /// The order has no payment, or it is another buyer's.
    #[error("payment not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns an order's payment.
///
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
    use crate::{
        adapters::memory::MemoryPayments, fixtures::order_cancelled, ports::PaymentWriter,
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::Write;

    #[tokio::test]
    async fn another_buyers_payment_is_not_found() {
        let (store, cancelled) = (MemoryPayments::default(), order_cancelled());
        let buyer = cancelled.user_id;
        let get_as = |account| get_payment(&store, cancelled.order_id, move |user| user == account);
        assert!(matches!(get_as(buyer).await, Err(GetPaymentError::NotFound)));

        let stored = Payment::tombstone(&cancelled, &EventContext::default());
        assert_eq!(store.save(&stored).await, Ok(Write::Done));
        assert_eq!(get_as(buyer).await.unwrap(), stored.payment);
        let other = UserId::derive(&[b"other"]);
        assert!(matches!(get_as(other).await, Err(GetPaymentError::NotFound)));
    }
}
