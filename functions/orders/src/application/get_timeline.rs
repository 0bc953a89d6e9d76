use super::get_order::{GetOrderError, Viewer, Visible, get_order};
use crate::{
    domain::timeline::{Entry, in_causal_order},
    ports::OrderReader,
};
use rialto_kernel::OrderId;

/// Every event of the order's saga, causes before effects. Sellers have no view of it.
///
/// # Errors
/// [`GetOrderError`] unless the order exists and is the viewer's.
pub async fn get_timeline(
    store: &impl OrderReader,
    order: OrderId,
    viewer: Viewer,
) -> Result<Vec<Entry>, GetOrderError> {
    match get_order(store, order, viewer).await? {
        Visible::Whole(order) => {
            Ok(in_causal_order(&order.timeline).into_iter().cloned().collect())
        }
        Visible::Lines(_) => Err(GetOrderError::NotFound),
    }
}
