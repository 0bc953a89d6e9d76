use crate::{
    domain::order::{Order, OrderState},
    ports::OrderReader,
};
use rialto_kernel::{OrderId, SellerId, StoreError, UserId};

/// Whose eyes an order is shown to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    Supervisor,
    Buyer(UserId),
    Seller(SellerId),
}

/// An order as its viewer may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderView {
    Whole(Order),
    /// To a seller: with that seller's lines only.
    Lines(Order),
}

/// Why an order isn't shown.
#[derive(Debug, thiserror::Error)]
pub enum GetOrderError {
    /// There is none, or it isn't the viewer's.
    #[error("no such order")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// # Errors
/// [`GetOrderError`] unless the order exists and is the viewer's. A seller sees it from CONFIRMED on.
pub async fn get_order(
    store: &impl OrderReader,
    order: OrderId,
    viewer: Requester,
) -> Result<OrderView, GetOrderError> {
    let mut order = store.order(order).await?.ok_or(GetOrderError::NotFound)?;
    match viewer {
        Requester::Supervisor => Ok(OrderView::Whole(order)),
        Requester::Buyer(user) if order.user_id == user => Ok(OrderView::Whole(order)),
        Requester::Buyer(_) => Err(GetOrderError::NotFound),
        Requester::Seller(seller) => {
            order.lines.retain(|line| line.seller_id == seller);
            if order.lines.is_empty() || !was_confirmed(&order) {
                return Err(GetOrderError::NotFound);
            }
            Ok(OrderView::Lines(order))
        }
    }
}

/// Whether the order ever was CONFIRMED.
fn was_confirmed(order: &Order) -> bool {
    order.state == OrderState::Confirmed
        || order.timeline.iter().any(|entry| entry.kind == "OrderConfirmed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::Transition,
        ports::{IdempotencyRecord, OrderPlacer, OrderWriter},
        testing,
    };
    use rialto_contracts::{Event, EventContext, payments::PaymentCaptured};
    use rialto_kernel::{PaymentId, Timestamp, Write};

    const NOW: Timestamp = Timestamp::from_millis(2_000);

    async fn placed() -> (MemoryOrders, Order) {
        let store = MemoryOrders::default();
        let change = testing::order();
        let placing = IdempotencyRecord { body_hash: String::new(), response_body: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);
        (store, change.order)
    }

    #[tokio::test]
    async fn a_seller_sees_own_lines_from_confirmed_on() {
        let (store, order) = placed().await;
        let seller = Requester::Seller(order.lines[0].seller_id);
        assert!(matches!(
            get_order(&store, order.order_id, seller).await,
            Err(GetOrderError::NotFound)
        ));

        let captured = PaymentCaptured {
            order_id: order.order_id,
            payment_id: PaymentId::derive(&[b"p"]),
            amount: order.total,
        };
        let captured = Event::new(&captured, 1, 0, NOW, &EventContext::default());
        let confirmed =
            order.apply(&captured, Transition::Confirm, NOW, &EventContext::default()).unwrap();
        assert_eq!(store.save(&confirmed).await.unwrap(), Write::Done);
        assert!(matches!(get_order(&store, order.order_id, seller).await, Ok(OrderView::Lines(_))));
        let another = Requester::Seller(SellerId::derive(&[b"another"]));
        assert!(matches!(
            get_order(&store, order.order_id, another).await,
            Err(GetOrderError::NotFound)
        ));
    }

    #[tokio::test]
    async fn another_buyers_order_is_not_found() {
        let (store, order) = placed().await;
        assert!(get_order(&store, order.order_id, Requester::Buyer(order.user_id)).await.is_ok());
        let another = Requester::Buyer(UserId::derive(&[b"another"]));
        assert!(matches!(
            get_order(&store, order.order_id, another).await,
            Err(GetOrderError::NotFound)
        ));
    }
}
