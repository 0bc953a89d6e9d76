//! Adding, replacing and removing addresses: each reads them all, decides, and writes them over what was read, so that as many
//! as come at once can't get past the limit.

use crate::{
    domain::address_book::{AddressBook, SavedAddress},
    ports::AddressBookStore,
};
use rialto_kernel::{Address, AddressId, StoreError, UserId, Write};

/// Why addresses are as they were.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// No such buyer or address, or the buyer's account is closed.
    #[error("there is no such address")]
    NotFound,
    #[error("there are as many addresses as there may be")]
    LimitReached,
    #[error("others change the addresses at the same moment")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a change is made anew because somebody else's came first.
const MAX_ATTEMPTS: u32 = 8;

/// Keeps one more address.
///
/// # Errors
/// [`AddressError`]; nothing has changed then, unless the store can't tell.
pub async fn add_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
    address: &Address,
    default: bool,
) -> Result<SavedAddress, AddressError> {
    let changed = change(store, user, |book| {
        book.with(id, address.clone(), default).map_err(|_| AddressError::LimitReached)
    });
    changed.await?.get(id).cloned().ok_or(AddressError::NotFound)
}

/// Replaces an address.
///
/// # Errors
/// [`AddressError`]; nothing has changed then, unless the store can't tell.
pub async fn set_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
    address: &Address,
    default: bool,
) -> Result<SavedAddress, AddressError> {
    let changed = change(store, user, |book| {
        book.replaced(id, address.clone(), default).ok_or(AddressError::NotFound)
    });
    changed.await?.get(id).cloned().ok_or(AddressError::NotFound)
}

/// Removes an address.
///
/// # Errors
/// [`AddressError`]; nothing has changed then, unless the store can't tell.
pub async fn remove_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
) -> Result<(), AddressError> {
    change(store, user, |book| book.without(id).ok_or(AddressError::NotFound)).await.map(drop)
}

/// A buyer's addresses, oldest first.
///
/// # Errors
/// [`AddressError`].
pub async fn list_addresses(
    store: &impl AddressBookStore,
    user: UserId,
) -> Result<Vec<SavedAddress>, AddressError> {
    let (_, book) = store.addresses(user).await?.ok_or(AddressError::NotFound)?;
    Ok(book.addresses)
}

async fn change(
    store: &impl AddressBookStore,
    user: UserId,
    decide: impl Fn(&AddressBook) -> Result<AddressBook, AddressError>,
) -> Result<AddressBook, AddressError> {
    let mut tried: Option<AddressBook> = None;
    for _ in 0..MAX_ATTEMPTS {
        let (account, book) = store.addresses(user).await?.ok_or(AddressError::NotFound)?;
        // A write whose answer was lost is sent again, and then collides with itself.
        if tried.as_ref() == Some(&book) {
            return Ok(book);
        }
        if !account.is_registered() {
            return Err(AddressError::NotFound);
        }
        let changed = decide(&book)?;
        match store.save_addresses(&changed, &account).await? {
            Write::Done => return Ok(changed),
            Write::Conflict(()) => tried = Some(changed),
        }
    }
    Err(AddressError::Contended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LostAckStore, address, registered_buyer};
    use rialto_kernel::AccountId;

    #[tokio::test]
    async fn a_change_that_collides_with_itself_has_happened_once() {
        let store = LostAckStore::default();
        let id = registered_buyer(&store.store, "ann@example.com").await.account_id;
        let AccountId::User(user) = id else { panic!("a buyer") };
        let ids = ["a", "b", "c"].map(|name| AddressId::derive(&[name.as_bytes()]));
        for id in ids {
            add_address(&store, user, id, &address("Ann"), false).await.unwrap();
        }
        set_address(&store, user, ids[2], &address("Bob"), true).await.unwrap();
        assert_eq!(list_addresses(&store, user).await.unwrap().len(), 3);
        remove_address(&store, user, ids[0]).await.unwrap();
        let (_, book) = store.addresses(user).await.unwrap().unwrap();
        assert_eq!((book.addresses.len(), book.version), (2, 5), "one version a change");
    }
}
