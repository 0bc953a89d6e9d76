use crate::{
    domain::payment::PaymentState,
    ports::{PaymentLister, PaymentPage},
};
use rialto_kernel::StoreError;

/// Lists the payments of all buyers, newest first. A page can have fewer than `limit` payments, or
/// none, although there are more.
///
/// # Errors
/// [`StoreError`] if the store can't be read.
pub async fn list_payments(
    store: &impl PaymentLister,
    state: Option<PaymentState>,
    limit: u32,
    position: Option<&str>,
) -> Result<PaymentPage, StoreError> {
    store.list_all(state, limit, position).await
}
