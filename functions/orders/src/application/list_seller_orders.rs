use super::get_order::OrderView;
use crate::ports::SellerOrderLister;
use rialto_contracts::orders::OrderLineState;
use rialto_kernel::{SellerId, StoreError};

/// Lists the orders with lines of a seller, newest first, with these lines only. A state selects
/// lines, and the orders that have such a line of the seller. A page can have fewer than `limit`
/// orders, or none, although there are more.
///
/// # Errors
/// [`StoreError`] if the store can't be read.
pub async fn list_seller_orders(
    store: &impl SellerOrderLister,
    seller: SellerId,
    state: Option<OrderLineState>,
    limit: u32,
    position: Option<&str>,
) -> Result<(Vec<OrderView>, Option<String>), StoreError> {
    let (orders, next) = store.list_by_seller(seller, state, limit, position).await?;
    let views = orders.into_iter().map(|mut order| {
        order.lines.retain(|line| line.is_of(seller, state));
        OrderView::SellerLines(order)
    });
    Ok((views.collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::line::OrderLine,
        fixtures::{PLACED_AT, confirmed, placed_order},
        ports::{IdempotencyRecord, OrderPlacer, OrderWriter},
    };
    use rialto_kernel::Write;

    /// The line numbers of each listed order.
    async fn listed(
        store: &MemoryOrders,
        seller: SellerId,
        state: Option<OrderLineState>,
    ) -> Vec<Vec<u32>> {
        let (views, next) = list_seller_orders(store, seller, state, 20, None).await.unwrap();
        assert_eq!(next, None);
        let numbers = |view| match view {
            OrderView::SellerLines(order) => order.lines.iter().map(|line| line.line_no).collect(),
            OrderView::Full(order) => panic!("all of {order:?}"),
        };
        views.into_iter().map(numbers).collect()
    }

    #[tokio::test]
    async fn a_seller_sees_own_lines_in_the_state_only() {
        let store = MemoryOrders::default();
        let mut change = placed_order();
        let line = change.order.lines[0].clone();
        let (seller, other) = (line.seller_id, SellerId::derive(&[b"other"]));
        let lines = [seller, other, seller].into_iter().zip(1..);
        let lines =
            lines.map(|(seller_id, line_no)| OrderLine { line_no, seller_id, ..line.clone() });
        change.order.lines = lines.collect();
        let record = IdempotencyRecord::empty();
        assert_eq!(store.insert(&change, &record, &[]).await.unwrap(), Write::Done);
        assert!(listed(&store, seller, None).await.is_empty(), "not CONFIRMED yet");

        let mut change = confirmed(&change.order, PLACED_AT);
        change.order.lines[2].state = OrderLineState::Accepted;
        assert_eq!(store.save(&change).await.unwrap(), Write::Done);
        assert_eq!(listed(&store, seller, None).await, [vec![1, 3]]);
        assert_eq!(listed(&store, seller, Some(OrderLineState::Ordered)).await, [vec![1]]);
        assert_eq!(listed(&store, other, Some(OrderLineState::Ordered)).await, [vec![2]]);
        assert!(listed(&store, other, Some(OrderLineState::Accepted)).await.is_empty());
    }
}
