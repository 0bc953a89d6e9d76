//! Calls accounts' internal function.

use crate::ports::AddressBook;
use rialto_contracts::internal::accounts::GetAddress;
use rialto_kernel::{Address, AddressId, StoreError, UserId};
use rialto_lambda::{FunctionContext, internal::ServiceClient};

/// The address book of accounts, read by internal calls.
#[derive(Clone)]
pub struct AccountsClient(ServiceClient);

impl AccountsClient {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        Self(ServiceClient::new(app))
    }
}

impl AddressBook for AccountsClient {
    async fn address(
        &self,
        user_id: UserId,
        address_id: AddressId,
    ) -> Result<Option<Address>, StoreError> {
        let response = self.0.call(GetAddress { user_id, address_id }).await;
        response.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
