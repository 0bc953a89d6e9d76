use super::{DynamoAccounts, account_key, addresses_key, profile_key};
use crate::{
    domain::{account::Account, address_book::AddressBook, profile::Profile},
    ports::{AddressBookStore, ProfileStore},
};
use rialto_dynamo::{Precondition, read_item, write_item};
use rialto_kernel::{AccountId, StoreError, UserId, Write};

impl ProfileStore for DynamoAccounts {
    async fn profile(&self, user: UserId) -> Result<Option<Profile>, StoreError> {
        self.table.get(&profile_key(AccountId::User(user))).await?.map(read_item).transpose()
    }

    async fn save_profile(&self, profile: &Profile) -> Result<Write, StoreError> {
        let item = write_item(&profile_key(AccountId::User(profile.user_id)), profile, &[])?;
        self.table.put(item, Precondition::Version(profile.version - 1)).await.map(Write::unit)
    }
}

impl AddressBookStore for DynamoAccounts {
    async fn addresses(&self, user: UserId) -> Result<Option<(Account, AddressBook)>, StoreError> {
        let id = AccountId::User(user);
        let keys = [account_key(id), addresses_key(id)];
        let mut items = self.table.batch_get(&keys).await?;
        let Some(account) = items.remove(&keys[0]) else { return Ok(None) };
        let book = items.remove(&keys[1]).map(read_item).transpose()?;
        Ok(Some((read_item(account)?, book.unwrap_or(AddressBook::empty(user)))))
    }

    async fn save_addresses(
        &self,
        book: &AddressBook,
        account: &Account,
    ) -> Result<Write, StoreError> {
        let id = account.account_id;
        let expect = if book.version == 1 {
            Precondition::Absent
        } else {
            Precondition::Version(book.version - 1)
        };
        let item = write_item(&addresses_key(id), book, &[])?;
        self.transact(vec![
            self.table.transact_check(&account_key(id), Precondition::Version(account.version))?,
            self.table.transact_put(item, expect)?,
        ])
        .await
    }
}
