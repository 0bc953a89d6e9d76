use crate::{domain::order::Order, ports::OrderReader};
use rialto_kernel::{OrderId, SellerId, StoreError, UserId};

/// The account that requests an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    Supervisor,
    Buyer(UserId),
    Seller(SellerId),
}

/// The part of an order that its requester may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderView {
    Full(Order),
    /// For a seller: the order with that seller's lines only.
    SellerLines(Order),
}

impl OrderView {
    #[must_use]
    pub const fn order(&self) -> &Order {
        match self {
            Self::Full(order) | Self::SellerLines(order) => order,
        }
    }
}

/// An error of [`get_order`].
#[derive(Debug, thiserror::Error)]
pub enum GetOrderError {
    /// The order doesn't exist, or the requester may not see it.
    #[error("order not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns an order. Sellers see it once it was CONFIRMED.
///
/// # Errors
/// [`GetOrderError`] unless the order exists and `requester` may see it.
pub async fn get_order(
    store: &impl OrderReader,
    order: OrderId,
    requester: Requester,
) -> Result<OrderView, GetOrderError> {
    view(store.order(order).await?.ok_or(GetOrderError::NotFound)?, requester)
}

/// The part of an order that a requester may see.
///
/// # Errors
/// [`GetOrderError::NotFound`] if it may see nothing.
pub(super) fn view(mut order: Order, requester: Requester) -> Result<OrderView, GetOrderError> {
    match requester {
        Requester::Supervisor => Ok(OrderView::Full(order)),
        Requester::Buyer(user) if order.user_id == user => Ok(OrderView::Full(order)),
        Requester::Buyer(_) => Err(GetOrderError::NotFound),
        Requester::Seller(seller) => {
            order.lines.retain(|line| line.seller_id == seller);
            if order.lines.is_empty() || !order.was_confirmed() {
                return Err(GetOrderError::NotFound);
            }
            Ok(OrderView::SellerLines(order))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        fixtures::{confirmed, insert_placed_order},
        ports::OrderWriter,
    };
    use rialto_kernel::{Timestamp, Write};

    const NOW: Timestamp = Timestamp::from_millis(2_000);

    #[tokio::test]
    async fn sellers_see_their_lines_once_the_order_is_confirmed() {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;
        let seller = Requester::Seller(order.lines[0].seller_id);
        let pending = get_order(&store, order.order_id, seller).await;
        assert!(matches!(pending, Err(GetOrderError::NotFound)));

        assert_eq!(store.save(&confirmed(&order, NOW)).await.unwrap(), Write::Done);
        let view = get_order(&store, order.order_id, seller).await;
        assert!(matches!(view, Ok(OrderView::SellerLines(_))));
        let other = Requester::Seller(SellerId::derive(&[b"other"]));
        let refused = get_order(&store, order.order_id, other).await;
        assert!(matches!(refused, Err(GetOrderError::NotFound)));
    }

    #[tokio::test]
    async fn another_buyers_order_is_not_found() {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;
        assert!(get_order(&store, order.order_id, Requester::Buyer(order.user_id)).await.is_ok());
        let other = Requester::Buyer(UserId::derive(&[b"other"]));
        let refused = get_order(&store, order.order_id, other).await;
        assert!(matches!(refused, Err(GetOrderError::NotFound)));
    }
}
