use crate::{
    domain::order::OrderState,
    ports::{OrderLister, OrderPage},
};
use rialto_kernel::{StoreError, UserId};

/// A buyer's orders, newest first.
///
/// # Errors
/// [`StoreError::Unavailable`] when the store can't answer.
pub async fn list_user_orders(
    store: &impl OrderLister,
    user: UserId,
    state: Option<OrderState>,
    limit: u32,
    position: Option<&str>,
) -> Result<OrderPage, StoreError> {
    store.list_by_buyer(user, state, limit, position).await
}
