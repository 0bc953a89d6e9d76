//! A buyer's addresses: adding, replacing, removing and listing them. All of a buyer's addresses
//! are one item, so that concurrent additions can't exceed the limit.

use crate::{
    domain::address_book::{AddressBook, SavedAddress},
    ports::AddressBookStore,
};
use rialto_kernel::{
    Address, AddressId, IfMatch, PreconditionFailed, StoreError, UserId, Write,
    store::{self, Attempt},
};

/// Errors of finding or changing an address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// No such buyer or address, or the buyer's account is closed.
    #[error("address not found")]
    NotFound,
    #[error(transparent)]
    PreconditionFailed(#[from] PreconditionFailed),
    #[error("address limit reached")]
    LimitReached,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds an address.
///
/// # Errors
/// [`AddressError`]. Nothing was written, unless the store's outcome is unknown.
pub async fn add_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
    address: &Address,
    default: bool,
) -> Result<SavedAddress, AddressError> {
    let book = update_book(store, user, |book| {
        book.with(id, address.clone(), default).map_err(|_| AddressError::LimitReached)
    });
    book.await?.get(id).cloned().ok_or(AddressError::NotFound)
}

/// Replaces an address. With `if_match`, it fails once the address isn't the one that the client
/// has read.
///
/// # Errors
/// [`AddressError`]. Nothing was written, unless the store's outcome is unknown.
pub async fn set_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
    address: &Address,
    default: bool,
    if_match: &IfMatch,
) -> Result<SavedAddress, AddressError> {
    let book = update_book(store, user, |book| {
        if_match.check(&book.get(id).ok_or(AddressError::NotFound)?.etag())?;
        book.replaced(id, address.clone(), default).ok_or(AddressError::NotFound)
    });
    book.await?.get(id).cloned().ok_or(AddressError::NotFound)
}

/// Removes an address. With `if_match`, it fails once the address isn't the one that the client has
/// read.
///
/// # Errors
/// [`AddressError`]. Nothing was written, unless the store's outcome is unknown.
pub async fn remove_address(
    store: &impl AddressBookStore,
    user: UserId,
    id: AddressId,
    if_match: &IfMatch,
) -> Result<(), AddressError> {
    let book = update_book(store, user, |book| {
        if_match.check(&book.get(id).ok_or(AddressError::NotFound)?.etag())?;
        book.without(id).ok_or(AddressError::NotFound)
    });
    book.await.map(drop)
}

/// Lists a buyer's addresses, oldest first.
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

async fn update_book(
    store: &impl AddressBookStore,
    user: UserId,
    decide: impl Fn(&AddressBook) -> Result<AddressBook, AddressError>,
) -> Result<AddressBook, AddressError> {
    store::update(|| async {
        let (account, book) = store.addresses(user).await?.ok_or(AddressError::NotFound)?;
        if !account.is_registered() {
            return Err(AddressError::NotFound);
        }
        let changed = decide(&book)?;
        Ok(match store.save_addresses(&changed, &account).await? {
            Write::Done => Attempt::Done(changed),
            Write::Conflict(()) if was_persisted(store, &changed).await? => Attempt::Done(changed),
            Write::Conflict(()) => Attempt::Conflict,
        })
    })
    .await
}

/// Whether the stored addresses are these. A write whose response was lost is sent again and then
/// conflicts with itself.
async fn was_persisted(
    store: &impl AddressBookStore,
    changed: &AddressBook,
) -> Result<bool, StoreError> {
    Ok(store.addresses(changed.user_id).await?.is_some_and(|(_, stored)| stored == *changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        testing::{FaultyStore, address, registered_user},
    };

    const NONE: IfMatch = IfMatch::Absent;

    fn address_id(name: &str) -> AddressId {
        AddressId::derive(&[name.as_bytes()])
    }

    /// A buyer with two addresses, `a` and `b`, and the tag of `b`.
    async fn two_addresses(store: &MemoryAccounts) -> (UserId, IfMatch) {
        let user = registered_user(store, "ann@example.com").await;
        add_address(store, user, address_id("a"), &address("Ann"), false).await.unwrap();
        let b = add_address(store, user, address_id("b"), &address("Bob"), false).await.unwrap();
        (user, IfMatch::parse(b.etag().as_str()).unwrap())
    }

    #[tokio::test]
    async fn a_change_whose_response_was_lost_is_applied_once() {
        let store = FaultyStore::with_lost_acks();
        let user = registered_user(&store.store, "ann@example.com").await;
        let ids = ["a", "b", "c"].map(address_id);
        for id in ids {
            add_address(&store, user, id, &address("Ann"), false).await.unwrap();
        }
        set_address(&store, user, ids[2], &address("Bob"), true, &NONE).await.unwrap();
        assert_eq!(list_addresses(&store, user).await.unwrap().len(), 3);
        remove_address(&store, user, ids[0], &NONE).await.unwrap();
        let (_, book) = store.addresses(user).await.unwrap().unwrap();
        assert_eq!((book.addresses.len(), book.version), (2, 5), "one version a change");
    }

    #[tokio::test]
    async fn an_address_is_changed_only_in_the_version_that_was_read() {
        let store = MemoryAccounts::default();
        let (user, read) = two_addresses(&store).await;
        let b = address_id("b");
        let set = set_address(&store, user, b, &address("Bea"), false, &read).await.unwrap();
        for refused in [
            set_address(&store, user, b, &address("Ben"), false, &read).await.map(drop),
            remove_address(&store, user, b, &read).await,
        ] {
            assert!(matches!(refused, Err(AddressError::PreconditionFailed(_))), "{refused:?}");
        }
        assert_eq!(list_addresses(&store, user).await.unwrap()[1], set);
        let read = IfMatch::parse(set.etag().as_str()).unwrap();
        remove_address(&store, user, b, &read).await.unwrap();
        for refused in [
            set_address(&store, user, b, &address("Ben"), false, &read).await.map(drop),
            remove_address(&store, user, b, &IfMatch::Any).await,
        ] {
            assert!(matches!(refused, Err(AddressError::NotFound)), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn concurrent_changes_of_two_addresses_are_both_kept() {
        let store = MemoryAccounts::default();
        let (user, read) = two_addresses(&store).await;
        let racing = FaultyStore::with_concurrent_write(&store, async {
            set_address(&store, user, address_id("a"), &address("Ada"), false, &NONE)
                .await
                .unwrap();
        });
        set_address(&racing, user, address_id("b"), &address("Bea"), false, &read).await.unwrap();
        let saved = list_addresses(&store, user).await.unwrap();
        let receivers: Vec<_> =
            saved.iter().map(|saved| saved.address.receiver.as_str().to_owned()).collect();
        assert_eq!(receivers, ["Ada", "Bea"]);
    }

    #[tokio::test]
    async fn a_change_fails_when_the_address_changes_before_the_write() {
        let store = MemoryAccounts::default();
        let (user, read) = two_addresses(&store).await;
        let b = address_id("b");
        let racing = FaultyStore::with_concurrent_write(&store, async {
            set_address(&store, user, b, &address("Bea"), false, &NONE).await.unwrap();
        });
        let refused = remove_address(&racing, user, b, &read).await;
        assert!(matches!(refused, Err(AddressError::PreconditionFailed(_))), "{refused:?}");
        assert_eq!(list_addresses(&store, user).await.unwrap().len(), 2);
    }
}
