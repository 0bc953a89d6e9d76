//! What other services may ask of a person, and only they.

use crate::ports::{AccountReader, AddressBookStore};
use rialto_kernel::{AccountId, Address, AddressId, StoreError, UserId};

/// A buyer's address; none if they keep no such one, or their account is closed.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn find_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
) -> Result<Option<Address>, StoreError> {
    let found = store.addresses(user).await?.filter(|(account, _)| account.is_registered());
    Ok(found.and_then(|(_, book)| book.get(id).map(|kept| kept.address.clone())))
}

/// Where an account's mail goes; none if it wants none, or is closed.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn notification_email(
    store: &impl AccountReader,
    account: AccountId,
) -> Result<Option<String>, StoreError> {
    let account = store.account(account).await?;
    let wanted = account.filter(|account| account.is_registered() && account.mail_notifications);
    Ok(wanted.and_then(|account| account.details).map(|details| details.email.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        application::{
            addresses::add_address, change_user::change_user, unregister_user::unregister_user,
        },
        domain::account::AccountPatch,
        testing::{address, registered_buyer},
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{Clock, SystemClock};

    #[tokio::test]
    async fn addresses_and_mail_are_told_only_of_those_who_are_there_and_want_it() {
        let store = MemoryAccounts::default();
        let account = registered_buyer(&store, "Ann@example.com").await.account_id;
        let AccountId::User(user) = account else { panic!("a buyer") };
        let id = AddressId::generate(SystemClock.now());
        add_address(&store, user, id, &address("Ann"), false).await.unwrap();
        assert_eq!(find_address(&store, user, id).await.unwrap(), Some(address("Ann")));
        assert_eq!(find_address(&store, user, AddressId::derive(&[b"x"])).await.unwrap(), None);
        assert_eq!(find_address(&store, UserId::derive(&[b"x"]), id).await.unwrap(), None);

        assert_eq!(notification_email(&store, account).await.unwrap(), None);
        let edit = AccountPatch { mail_notifications: Some(true), ..AccountPatch::default() };
        change_user(&store, user, &edit).await.unwrap();
        assert_eq!(
            notification_email(&store, account).await.unwrap().as_deref(),
            Some("Ann@example.com")
        );

        unregister_user(&store, user, &EventContext::default(), SystemClock.now()).await.unwrap();
        assert_eq!(notification_email(&store, account).await.unwrap(), None);
        assert_eq!(find_address(&store, user, id).await.unwrap(), None);
    }
}
