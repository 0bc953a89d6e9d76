//! Calls to the orders service's internal function.

use crate::ports::OrdersClient;
use rialto_contracts::internal::orders::{HasOpenLines, OpenOrders, RecentOrder, RecentOrders};
use rialto_kernel::{SellerId, StoreError, UserId};
use rialto_lambda::{
    FunctionContext,
    internal::{CallError, ServiceClient},
};

/// The orders service.
#[derive(Clone)]
pub struct LambdaOrdersClient(ServiceClient);

impl LambdaOrdersClient {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        Self(ServiceClient::new(app))
    }
}

fn unavailable(error: CallError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl OrdersClient for LambdaOrdersClient {
    async fn recent_orders(&self, user_id: UserId) -> Result<Vec<RecentOrder>, StoreError> {
        self.0.call(RecentOrders { user_id }).await.map_err(unavailable)
    }

    async fn has_open_orders(&self, user_id: UserId) -> Result<bool, StoreError> {
        self.0.call(OpenOrders { user_id }).await.map_err(unavailable)
    }

    async fn has_open_lines(&self, seller_id: SellerId) -> Result<bool, StoreError> {
        self.0.call(HasOpenLines { seller_id }).await.map_err(unavailable)
    }
}
