//! A buyer's saved addresses.

use rialto_kernel::{Address, AddressId, ETag, UserId};
use serde::{Deserialize, Serialize};

/// The maximum number of a buyer's addresses.
pub const MAX_ADDRESSES: usize = 3;

/// A buyer's addresses, oldest first. One of them is the default, unless there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressBook {
    pub user_id: UserId,
    pub addresses: Vec<SavedAddress>,
    /// Incremented by every change; 0 before the first.
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedAddress {
    pub address_id: AddressId,
    pub address: Address,
    pub default: bool,
}

/// The address limit has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimitReached;

impl SavedAddress {
    /// The entity tag of what replacing the address can change.
    #[must_use]
    pub fn etag(&self) -> ETag {
        ETag::of(&(&self.address, self.default))
    }
}

impl AddressBook {
    #[must_use]
    pub const fn empty(user_id: UserId) -> Self {
        Self { user_id, addresses: Vec::new(), version: 0 }
    }

    #[must_use]
    pub fn get(&self, id: AddressId) -> Option<&SavedAddress> {
        self.addresses.iter().find(|saved| saved.address_id == id)
    }

    /// The addresses with one more, which is the default if requested or if it is the only one.
    /// Idempotent: an id that exists is replaced.
    ///
    /// # Errors
    /// [`AddressLimitReached`] if there are [`MAX_ADDRESSES`] already.
    pub fn with(
        &self,
        id: AddressId,
        address: Address,
        default: bool,
    ) -> Result<Self, AddressLimitReached> {
        if let Some(replaced) = self.replaced(id, address.clone(), default) {
            return Ok(replaced);
        }
        if self.addresses.len() >= MAX_ADDRESSES {
            return Err(AddressLimitReached);
        }
        let mut addresses = self.addresses.clone();
        addresses.push(SavedAddress { address_id: id, address, default: false });
        Ok(self.next(addresses, default.then_some(id)))
    }

    /// The addresses with this one replaced; `None` without it. The default doesn't change unless
    /// this address becomes it.
    #[must_use]
    pub fn replaced(&self, id: AddressId, address: Address, default: bool) -> Option<Self> {
        let mut addresses = self.addresses.clone();
        addresses.iter_mut().find(|saved| saved.address_id == id)?.address = address;
        Some(self.next(addresses, default.then_some(id)))
    }

    /// The addresses without this one; `None` without it. If it was the default, the oldest one
    /// becomes it.
    #[must_use]
    pub fn without(&self, id: AddressId) -> Option<Self> {
        let mut addresses = self.addresses.clone();
        addresses.retain(|saved| saved.address_id != id);
        (addresses.len() < self.addresses.len()).then(|| self.next(addresses, None))
    }

    fn next(&self, mut addresses: Vec<SavedAddress>, new_default: Option<AddressId>) -> Self {
        let default = new_default
            .or_else(|| addresses.iter().find(|saved| saved.default).map(|saved| saved.address_id))
            .or_else(|| addresses.first().map(|saved| saved.address_id));
        for saved in &mut addresses {
            saved.default = Some(saved.address_id) == default;
        }
        Self { user_id: self.user_id, addresses, version: self.version + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::address;

    fn id(text: &str) -> AddressId {
        AddressId::derive(&[text.as_bytes()])
    }

    fn book(ids: &[&str]) -> AddressBook {
        ids.iter().fold(AddressBook::empty(UserId::derive(&[b"u"])), |book, name| {
            book.with(id(name), address(name), false).unwrap()
        })
    }

    fn default(book: &AddressBook) -> AddressId {
        let defaults: Vec<_> = book.addresses.iter().filter(|saved| saved.default).collect();
        let [one] = defaults.as_slice() else { panic!("{} defaults", defaults.len()) };
        one.address_id
    }

    #[test]
    fn a_book_has_three_addresses_at_most() {
        let full = book(&["a", "b", "c"]);
        assert_eq!((full.addresses.len(), full.version), (3, 3));
        assert_eq!(full.with(id("d"), address("d"), true), Err(AddressLimitReached));
        assert!(full.without(id("a")).unwrap().with(id("d"), address("d"), false).is_ok());
    }

    #[test]
    fn exactly_one_address_is_the_default() {
        let book = book(&["a", "b"]);
        assert_eq!(default(&book), id("a"), "the first");
        let book = book.with(id("c"), address("c"), true).unwrap();
        assert_eq!(default(&book), id("c"), "the requested one");
        let book = book.replaced(id("b"), address("new"), true).unwrap();
        assert_eq!(default(&book), id("b"));
        let book = book.replaced(id("b"), address("newer"), false).unwrap();
        assert_eq!(default(&book), id("b"), "unchanged");
        let book = book.without(id("b")).unwrap();
        assert_eq!(default(&book), id("a"), "the oldest one");
        let book = book.without(id("a")).unwrap().without(id("c")).unwrap();
        assert!(book.addresses.is_empty());
    }

    #[test]
    fn unknown_addresses_are_neither_replaced_nor_removed() {
        let book = book(&["a"]);
        assert_eq!(book.replaced(id("x"), address("x"), true), None);
        assert_eq!(book.without(id("x")), None);
        assert_eq!(book.get(id("x")), None);
    }

    #[test]
    fn adding_an_address_is_idempotent() {
        let full = book(&["a", "b", "c"]);
        let again = full.with(id("c"), address("c"), false).unwrap();
        assert_eq!((&again.addresses, again.version), (&full.addresses, 4));
    }
}
