use super::get_order::{GetOrderError, OrderView, Requester, get_order};
use crate::{
    domain::timeline::{TimelineEntry, in_causal_order},
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
    viewer: Requester,
) -> Result<Vec<TimelineEntry>, GetOrderError> {
    match get_order(store, order, viewer).await? {
        OrderView::Whole(order) => {
            Ok(in_causal_order(&order.timeline).into_iter().cloned().collect())
        }
        OrderView::Lines(_) => Err(GetOrderError::NotFound),
    }
}
