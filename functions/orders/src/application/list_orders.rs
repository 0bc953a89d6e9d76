use crate::{
    domain::order::OrderState,
    ports::{AllOrdersLister, OrderPage},
};
use rialto_kernel::{OrderNumber, StoreError};

/// The search criteria of a list of all orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    pub number: Option<OrderNumber>,
    pub state: Option<OrderState>,
}

/// Lists the orders of all buyers, newest first. A page can have fewer than `limit` orders, or
/// none, although there are more.
///
/// # Errors
/// [`StoreError`] if the store can't be read.
pub async fn list_orders(
    store: &impl AllOrdersLister,
    filter: &OrderFilter,
    limit: u32,
    position: Option<&str>,
) -> Result<OrderPage, StoreError> {
    match &filter.number {
        Some(number) => store.list_by_number(number, filter.state, limit, position).await,
        None => store.list_all(filter.state, limit, position).await,
    }
}
