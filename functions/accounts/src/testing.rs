//! What the unit tests of several modules need.

use crate::{
    adapters::memory::MemoryAccounts,
    domain::{
        account::{Account, Details},
        address_book::AddressBook,
        attempts::{Admission, Counter},
        contact::{Email, Name},
        credential::{Credential, Password, PasswordHash},
        registration::Registration,
        reset::Reset,
        session::Session,
    },
    ports::{
        AccountReader, AddressBooks, AttemptCounter, CredentialReader, CredentialWriter, HashError,
        OrdersOf, Passwords, Registrar, ResetReader, ResetWriter, SessionEnder, SessionStarter,
    },
};
use rialto_contracts::{Cause, internal::orders::RecentOrder};
use rialto_kernel::{
    AccountId, Clock, Phone, SellerId, SessionId, StoreError, SystemClock, Timestamp, UserId, Write,
};
use std::sync::Mutex;

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

/// A store whose writes happen, and then look as if somebody else had been quicker: their answers were lost, and they were
/// sent again.
#[derive(Default)]
pub(crate) struct Forgetful {
    pub(crate) store: MemoryAccounts,
    /// A session that begins just before the first write of a credential.
    pub(crate) begins: Mutex<Option<(Session, Credential)>>,
}

impl Forgetful {
    async fn begin(&self) {
        let begins = self.begins.lock().unwrap().take();
        if let Some((session, credential)) = begins {
            assert_eq!(self.store.start(&session, &credential, &[]).await, Ok(Write::Done));
        }
    }
}

impl AccountReader for Forgetful {
    async fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
        self.store.account(account).await
    }
}

impl CredentialReader for Forgetful {
    async fn credential(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
        self.store.credential(email).await
    }
}

impl CredentialWriter for Forgetful {
    async fn save_credential(&self, credential: &Credential) -> Result<Write, StoreError> {
        self.begin().await;
        self.store.save_credential(credential).await.map(|_| Write::Conflict)
    }
}

impl ResetWriter for Forgetful {
    async fn save_reset(&self, email: &Email, reset: &Reset) -> Result<Write, StoreError> {
        self.store.save_reset(email, reset).await.map(|_| Write::Conflict)
    }
}

impl ResetReader for Forgetful {
    async fn reset(&self, email: &Email) -> Result<Option<Reset>, StoreError> {
        self.store.reset(email).await
    }
    async fn use_reset(&self, credential: &Credential, reset: &Reset) -> Result<Write, StoreError> {
        self.begin().await;
        self.store.use_reset(credential, reset).await.map(|_| Write::Conflict)
    }
}

impl AddressBooks for Forgetful {
    async fn addresses(&self, user: UserId) -> Result<Option<(Account, AddressBook)>, StoreError> {
        self.store.addresses(user).await
    }
    async fn save_addresses(
        &self,
        book: &AddressBook,
        account: &Account,
    ) -> Result<Write, StoreError> {
        self.store.save_addresses(book, account).await.map(|_| Write::Conflict)
    }
}

impl SessionEnder for Forgetful {
    async fn end(&self, account: AccountId, session: SessionId) -> Result<Write, StoreError> {
        self.store.end(account, session).await
    }
    async fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
    ) -> Result<usize, StoreError> {
        self.store.end_all(account, except).await
    }
}

impl AttemptCounter for Forgetful {
    async fn count(&self, counter: &Counter, now: Timestamp) -> Result<Admission, StoreError> {
        self.store.count(counter, now).await
    }
    async fn take_back(&self, counter: &Counter) -> Result<(), StoreError> {
        self.store.take_back(counter).await
    }
    async fn forget(&self, counter: &Counter) -> Result<(), StoreError> {
        self.store.forget(counter).await
    }
}
