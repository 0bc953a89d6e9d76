//! Accounts, by its internal function.

use crate::ports::AddressBook;
use rialto_contracts::internal::accounts::AddressOf;
use rialto_kernel::{Address, AddressId, StoreError, UserId};
use rialto_lambda::{App, internal::Peer};

/// What accounts knows of buyers.
#[derive(Clone)]
pub struct Accounts(Peer);

impl Accounts {
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self(Peer::new(app))
    }
}

impl AddressBook for Accounts {
    async fn address(
        &self,
        user_id: UserId,
        address_id: AddressId,
    ) -> Result<Option<Address>, StoreError> {
        let answer = self.0.ask(AddressOf { user_id, address_id }).await;
        answer.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
