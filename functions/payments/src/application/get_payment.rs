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
