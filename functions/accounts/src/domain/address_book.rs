use rialto_kernel::{Address, AddressId, UserId};
use serde::{Deserialize, Serialize};

/// How many addresses a buyer keeps at most.
pub const MAX_ADDRESSES: usize = 3;

/// A buyer's addresses, oldest first. One of them is the default, unless there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressBook {
    pub user_id: UserId,
    pub addresses: Vec<SavedAddress>,
    /// Rises with every change; 0 before the first.
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedAddress {
    pub address_id: AddressId,
    pub address: Address,
    pub default: bool,
}

/// As many as there may be are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimitReached;

impl AddressBook {
    #[must_use]
    pub const fn empty(user_id: UserId) -> Self {
        Self { user_id, addresses: Vec::new(), version: 0 }
    }

    #[must_use]
    pub fn get(&self, id: AddressId) -> Option<&SavedAddress> {
        self.addresses.iter().find(|kept| kept.address_id == id)
    }

    /// With one more address, as the default if that is asked for or it is the only one. One that is there already is there once.
    ///
    /// # Errors
    /// [`Full`] with [`MAX_ADDRESSES`] already.
    pub fn with(
        &self,
        id: AddressId,
        address: Address,
        default: bool,
    ) -> Result<Self, AddressLimitReached> {
        if let Some(again) = self.replaced(id, address.clone(), default) {
            return Ok(again);
        }
        if self.addresses.len() >= MAX_ADDRESSES {
            return Err(AddressLimitReached);
        }
        let mut addresses = self.addresses.clone();
        addresses.push(SavedAddress { address_id: id, address, default: false });
        Ok(self.next(addresses, default.then_some(id)))
    }

    /// With another address under this id. The default stays the default until another one is.
    #[must_use]
    pub fn replaced(&self, id: AddressId, address: Address, default: bool) -> Option<Self> {
        let mut addresses = self.addresses.clone();
        addresses.iter_mut().find(|kept| kept.address_id == id)?.address = address;
        Some(self.next(addresses, default.then_some(id)))
    }

    /// Without this address. The oldest is the default then, if this one was.
    #[must_use]
    pub fn without(&self, id: AddressId) -> Option<Self> {
        let mut addresses = self.addresses.clone();
        addresses.retain(|kept| kept.address_id != id);
        (addresses.len() < self.addresses.len()).then(|| self.next(addresses, None))
    }

    fn next(&self, mut addresses: Vec<SavedAddress>, chosen: Option<AddressId>) -> Self {
        let default = chosen
            .or_else(|| addresses.iter().find(|kept| kept.default).map(|kept| kept.address_id))
            .or_else(|| addresses.first().map(|kept| kept.address_id));
        for kept in &mut addresses {
            kept.default = Some(kept.address_id) == default;
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
        let defaults: Vec<_> = book.addresses.iter().filter(|kept| kept.default).collect();
        let [one] = defaults.as_slice() else { panic!("{} defaults", defaults.len()) };
        one.address_id
    }

    #[test]
    fn there_are_three_at_most() {
        let full = book(&["a", "b", "c"]);
        assert_eq!((full.addresses.len(), full.version), (3, 3));
        assert_eq!(full.with(id("d"), address("d"), true), Err(AddressLimitReached));
        assert!(full.without(id("a")).unwrap().with(id("d"), address("d"), false).is_ok());
    }

    #[test]
    fn one_is_the_default_whatever_happens() {
        let book = book(&["a", "b"]);
        assert_eq!(default(&book), id("a"), "the first");
        let book = book.with(id("c"), address("c"), true).unwrap();
        assert_eq!(default(&book), id("c"), "the chosen one");
        let book = book.replaced(id("b"), address("new"), true).unwrap();
        assert_eq!(default(&book), id("b"));
        let book = book.replaced(id("b"), address("newer"), false).unwrap();
        assert_eq!(default(&book), id("b"), "until another one is");
        let book = book.without(id("b")).unwrap();
        assert_eq!(default(&book), id("a"), "the oldest that is left");
        let book = book.without(id("a")).unwrap().without(id("c")).unwrap();
        assert!(book.addresses.is_empty());
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        let book = book(&["a"]);
        assert_eq!(book.replaced(id("x"), address("x"), true), None);
        assert_eq!(book.without(id("x")), None);
        assert_eq!(book.get(id("x")), None);
    }

    #[test]
    fn an_address_is_there_once_however_often_it_is_added() {
        let full = book(&["a", "b", "c"]);
        let again = full.with(id("c"), address("c"), false).unwrap();
        assert_eq!((&again.addresses, again.version), (&full.addresses, 4));
    }
}
