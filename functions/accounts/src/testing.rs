//! What the unit tests of several modules need.

use crate::{
    domain::{
        account::Details,
        contact::{Email, Name},
        credential::{Credential, Password, PasswordHash},
        registration::Registration,
    },
    ports::{HashError, OrdersOf, Passwords, Registrar},
};
use rialto_contracts::{Cause, internal::orders::RecentOrder};
use rialto_kernel::{Clock, Phone, SellerId, StoreError, SystemClock, UserId, Write};

pub(crate) const PASSWORD: &str = "correct horse";

/// Hashes nothing.
#[derive(Clone, Copy)]
pub(crate) struct PlainPasswords;

impl Passwords for PlainPasswords {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        Ok(PasswordHash(format!("hash of {}", password.as_str())))
    }
    fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
        hash.0 == format!("hash of {}", password.as_str())
    }
    fn decoy(&self) -> PasswordHash {
        PasswordHash("decoy".to_owned())
    }
}

pub(crate) fn details(email: &str) -> Details {
    Details {
        email: Email::parse(email).unwrap(),
        name: Name::parse("Ann Lee").unwrap(),
        phone: Some(Phone::parse("+491701234567").unwrap()),
    }
}

/// A buyer whose password is [`PASSWORD`].
pub(crate) async fn registered(store: &impl Registrar, email: &str) -> Credential {
    let now = SystemClock.now();
    let hash = PlainPasswords.hash(&Password::choose(PASSWORD).unwrap()).unwrap();
    let registration =
        Registration::user(UserId::generate(now), details(email), hash, &Cause::default(), now);
    assert_eq!(store.register(&registration).await, Ok(Write::Done));
    registration.credential
}

pub(crate) fn address(receiver: &str) -> rialto_kernel::Address {
    use rialto_kernel::{Address, DropOff, Phone, Text};
    Address {
        receiver: Text::parse(receiver).unwrap(),
        line1: Text::parse("7 Nowhere Lane").unwrap(),
        line2: None,
        zipcode: Text::parse("98765").unwrap(),
        phone: Phone::parse("+4915550100").unwrap(),
        drop_off: DropOff::Door,
        note: None,
    }
}

/// Orders that answers as it is told.
#[derive(Clone, Copy, Default)]
pub(crate) struct FakeOrders {
    pub(crate) silent: bool,
    pub(crate) open: bool,
}

impl FakeOrders {
    fn answer<T>(self, answer: T) -> Result<T, StoreError> {
        if self.silent { Err(StoreError::Unavailable("no answer".to_owned())) } else { Ok(answer) }
    }
}

impl OrdersOf for FakeOrders {
    async fn recent(&self, _: UserId) -> Result<Vec<RecentOrder>, StoreError> {
        self.answer(Vec::new())
    }
    async fn has_open_orders(&self, _: UserId) -> Result<bool, StoreError> {
        self.answer(self.open)
    }
    async fn has_open_lines(&self, _: SellerId) -> Result<bool, StoreError> {
        self.answer(self.open)
    }
}
