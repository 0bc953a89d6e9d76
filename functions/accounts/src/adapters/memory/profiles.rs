use super::MemoryAccounts;
use crate::{
    domain::{account::Account, address_book::AddressBook, profile::Profile},
    ports::{AddressBookStore, ProfileStore},
};
use rialto_kernel::{AccountId, StoreError, UserId, Write};

impl ProfileStore for MemoryAccounts {
    async fn profile(&self, user: UserId) -> Result<Option<Profile>, StoreError> {
        Ok(self.state().profiles.get(&user).cloned())
    }

    async fn save_profile(&self, profile: &Profile) -> Result<Write, StoreError> {
        match self.state().profiles.get_mut(&profile.user_id) {
            Some(stored) if stored.version + 1 == profile.version => {
                *stored = profile.clone();
                Ok(Write::Done)
            }
            Some(_) | None => Ok(Write::Conflict(())),
        }
    }
}

impl AddressBookStore for MemoryAccounts {
    async fn addresses(&self, user: UserId) -> Result<Option<(Account, AddressBook)>, StoreError> {
        let state = self.state();
        let id = AccountId::User(user);
        let book = state.address_books.get(&id).cloned().unwrap_or(AddressBook::empty(user));
        Ok(state.accounts.get(&id).cloned().map(|account| (account, book)))
    }

    async fn save_addresses(
        &self,
        book: &AddressBook,
        account: &Account,
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let id = account.account_id;
        let version = state.accounts.get(&id).map(|stored| stored.version);
        let before = state.address_books.get(&id).map_or(0, |stored| stored.version);
        if version != Some(account.version) || before + 1 != book.version {
            return Ok(Write::Conflict(()));
        }
        state.address_books.insert(id, book.clone());
        Ok(Write::Done)
    }
}
