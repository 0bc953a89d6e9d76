//! Requests of other services for personal data. No event carries any.

use crate::ports::{AccountReader, AddressBookStore};
use rialto_kernel::{AccountId, Address, AddressId, StoreError, UserId};

/// Finds a buyer's saved address; `None` if there is no such address or the account is closed.
///
/// # Errors
/// [`StoreError`].
pub async fn find_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
) -> Result<Option<Address>, StoreError> {
    let open = store.addresses(user).await?.filter(|(account, _)| account.is_registered());
    Ok(open.and_then(|(_, book)| book.get(id).map(|saved| saved.address.clone())))
}

/// The email to which an account's notifications are sent; `None` if it hasn't enabled them or is
/// closed.
///
/// # Errors
/// [`StoreError`].
pub async fn notification_email(
    store: &impl AccountReader,
    account: AccountId,
) -> Result<Option<String>, StoreError> {
    let account = store.account(account).await?;
    let subscribed =
        account.filter(|account| account.is_registered() && account.mail_notifications);
    Ok(subscribed
        .and_then(|account| account.details)
        .map(|details| details.email.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        application::{
            addresses::add_address, change_account::change_account,
            unregister_user::unregister_user,
        },
        domain::account::AccountPatch,
        testing::{address, registered_user},
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{Clock, IfMatch, SystemClock};

    #[tokio::test]
    async fn closed_accounts_have_neither_address_nor_email() {
        let store = MemoryAccounts::default();
        let user = registered_user(&store, "Ann@example.com").await;
        let account = AccountId::User(user);
        let id = AddressId::generate(SystemClock.now());
        add_address(&store, user, id, &address("Ann"), false).await.unwrap();
        assert_eq!(find_address(&store, user, id).await.unwrap(), Some(address("Ann")));
        assert_eq!(find_address(&store, user, AddressId::derive(&[b"x"])).await.unwrap(), None);
        assert_eq!(find_address(&store, UserId::derive(&[b"x"]), id).await.unwrap(), None);

        assert_eq!(notification_email(&store, account).await.unwrap(), None);
        let patch = AccountPatch { mail_notifications: Some(true), ..AccountPatch::default() };
        change_account(&store, account, &patch, &IfMatch::Absent).await.unwrap();
        assert_eq!(
            notification_email(&store, account).await.unwrap().as_deref(),
            Some("Ann@example.com")
        );

        unregister_user(&store, user, &EventContext::default(), SystemClock.now()).await.unwrap();
        assert_eq!(notification_email(&store, account).await.unwrap(), None);
        assert_eq!(find_address(&store, user, id).await.unwrap(), None);
    }
}
