use crate::{
    domain::order::OrderState,
    ports::{OrderLister, OrderPage},
};
use rialto_kernel::{StoreError, UserId};

/// Lists a buyer's orders, newest first.
///
/// # Errors
/// [`StoreError`] if the store can't be read.
pub async fn list_user_orders(
    store: &impl OrderLister,
    user: UserId,
    state: Option<OrderState>,
    limit: u32,
    position: Option<&str>,
) -> Result<OrderPage, StoreError> {
    store.list_by_buyer(user, state, limit, position).await
}
