use rialto_contracts::internal::orders::RecentOrder;
use rialto_kernel::{SellerId, StoreError, UserId};

/// The client of the orders service. Its errors mean that the service didn't respond.
pub trait OrdersClient {
    /// A buyer's newest orders.
    fn recent_orders(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Vec<RecentOrder>, StoreError>> + Send;

    /// Whether a buyer has an open order. Eventually consistent.
    fn has_open_orders(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether a seller has an open line. Eventually consistent.
    fn has_open_lines(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
