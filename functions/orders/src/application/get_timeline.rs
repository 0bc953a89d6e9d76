use super::get_order::{GetOrderError, OrderView, Requester, get_order};
use crate::{
    domain::timeline::{TimelineEntry, in_causal_order},
    ports::{OrderReader, TimelineReader},
};
use rialto_kernel::OrderId;

/// Returns every event of the order's saga, causes before effects. Sellers may not see it.
///
/// # Errors
/// [`GetOrderError`] unless the order exists and `requester` is its buyer or a supervisor.
pub async fn get_timeline(
    store: &(impl OrderReader + TimelineReader),
    order: OrderId,
    requester: Requester,
) -> Result<Vec<TimelineEntry>, GetOrderError> {
    match get_order(store, order, requester).await? {
        OrderView::Full(mut order) => {
            for part in store.archived_timeline(&order).await? {
                order.restore(part);
            }
            Ok(in_causal_order(&order.timeline).into_iter().cloned().collect())
        }
        OrderView::SellerLines(_) => Err(GetOrderError::NotFound),
    }
}
