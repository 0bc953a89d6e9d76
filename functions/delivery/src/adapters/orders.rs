//! Calls to the orders service's internal function.

use crate::ports::OrderAddresses;
use rialto_contracts::internal::orders::GetOrderAddress;
use rialto_kernel::{Address, OrderId, StoreError};
use rialto_lambda::{FunctionContext, internal::ServiceClient};

/// The addresses of orders, read by internal calls.
#[derive(Clone)]
pub struct OrderAddressesClient(ServiceClient);

impl OrderAddressesClient {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        Self(ServiceClient::new(app))
    }
}

impl OrderAddresses for OrderAddressesClient {
    async fn address(&self, order_id: OrderId) -> Result<Option<Address>, StoreError> {
        let response = self.0.call(GetOrderAddress { order_id }).await;
        response.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
