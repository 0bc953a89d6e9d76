//! Adding, replacing and removing addresses: each reads them all, decides, and writes them over what was read, so that as many
//! as come at once can't get past the limit.

use crate::{
    domain::address_book::{AddressBook, KeptAddress},
    ports::AddressBooks,
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
const TRIES: u32 = 8;

/// Keeps one more address.
///
/// # Errors
/// [`AddressError`]; nothing has changed then, unless the store can't tell.
pub async fn add_address(
    store: &impl AddressBooks,
    user: UserId,
    id: AddressId,
    address: &Address,
    default: bool,
) -> Result<KeptAddress, AddressError> {
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
    store: &impl AddressBooks,
    user: UserId,
    id: AddressId,
    address: &Address,
    default: bool,
) -> Result<KeptAddress, AddressError> {
    let changed =
        change(store, user, |book| book.replaced(id, address.clone(), default).ok_or(AddressError::NotFound));
    changed.await?.get(id).cloned().ok_or(AddressError::NotFound)
}

/// Removes an address.
///
/// # Errors
/// [`AddressError`]; nothing has changed then, unless the store can't tell.
pub async fn remove_address(
    store: &impl AddressBooks,
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
    store: &impl AddressBooks,
    user: UserId,
) -> Result<Vec<KeptAddress>, AddressError> {
    let (_, book) = store.addresses(user).await?.ok_or(AddressError::NotFound)?;
    Ok(book.addresses)
}

async fn change(
    store: &impl AddressBooks,
    user: UserId,
    decide: impl Fn(&AddressBook) -> Result<AddressBook, AddressError>,
) -> Result<AddressBook, AddressError> {
    for _ in 0..TRIES {
        let (account, book) = store.addresses(user).await?.ok_or(AddressError::NotFound)?;
        if !account.is_registered() {
            return Err(AddressError::NotFound);
        }
        let changed = decide(&book)?;
        match store.save_addresses(&changed, &account).await? {
            Write::Done => return Ok(changed),
            Write::Conflict => {}
        }
    }
    Err(AddressError::Contended)
}
