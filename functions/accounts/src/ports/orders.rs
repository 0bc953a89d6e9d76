use rialto_contracts::internal::orders::RecentOrder;
use rialto_kernel::{SellerId, StoreError, UserId};

/// What orders knows and accounts asks.
pub trait OrdersClient {
    /// A buyer's newest orders.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when orders doesn't answer.
    fn recent_orders(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Vec<RecentOrder>, StoreError>> + Send;

    /// Whether a buyer has an order that hasn't ended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when orders doesn't answer.
    fn has_open_orders(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether a seller has a line that hasn't ended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when orders doesn't answer.
    fn has_open_lines(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
