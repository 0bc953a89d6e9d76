//! Fixtures and test doubles of the unit tests.

use crate::{
    adapters::memory::MemoryAccounts,
    domain::{
        account::{Account, ContactDetails},
        address_book::AddressBook,
        contact::{Email, Name},
        credential::{Credential, Password, PasswordHash},
        profile::Profile,
        rate_limit::{RateLimitDecision, RateLimitKey},
        registration::Registration,
        reset::PasswordReset,
        session::Session,
    },
    ports::{
        AccountReader, AccountRegistrar, AccountWriter, AddressBookStore, CredentialReader,
        CredentialWriter, HashError, OrdersClient, PasswordHasher, ProfileStore, RateLimiter,
        ResetReader, ResetWriter, SessionEnder, SessionStarter,
    },
};
use futures_util::future::BoxFuture;
use rialto_contracts::{EventContext, internal::orders::RecentOrder};
use rialto_kernel::{
    AccountId, Clock, Phone, SellerId, SessionId, StoreError, SystemClock, Timestamp, UserId, Write,
};
use std::sync::Mutex;

pub(crate) use rialto_testkit::fixtures::address;

pub(crate) const PASSWORD: &str = "correct horse";

/// Hashes by writing `hash of` before the password.
#[derive(Clone, Copy)]
pub(crate) struct FakeHasher;

impl PasswordHasher for FakeHasher {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        Ok(PasswordHash(format!("hash of {}", password.as_str())))
    }
    fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
        hash.0 == format!("hash of {}", password.as_str())
    }
    fn dummy_hash(&self) -> PasswordHash {
        PasswordHash("dummy".to_owned())
    }
}

pub(crate) fn details(email: &str) -> ContactDetails {
    ContactDetails {
        email: Email::parse(email).unwrap(),
        name: Name::parse("Ann Lee").unwrap(),
        phone: Some(Phone::parse("+491701234567").unwrap()),
    }
}

/// A buyer whose password is [`PASSWORD`].
pub(crate) async fn registered_buyer(store: &impl AccountRegistrar, email: &str) -> Credential {
    let now = SystemClock.now();
    let hash = FakeHasher.hash(&Password::new(PASSWORD).unwrap()).unwrap();
    let registration = Registration::new(
        AccountId::User(UserId::generate(now)),
        details(email),
        hash,
        &EventContext::default(),
        now,
    );
    assert_eq!(store.register(&registration).await, Ok(Write::Done));
    registration.credential
}

/// The id of a new buyer whose password is [`PASSWORD`].
pub(crate) async fn registered_user(store: &impl AccountRegistrar, email: &str) -> UserId {
    match registered_buyer(store, email).await.account_id {
        AccountId::User(user) => user,
        other => panic!("{other} is no buyer"),
    }
}

/// The orders service with fixed responses.
#[derive(Clone, Copy, Default)]
pub(crate) struct FakeOrders {
    pub(crate) unavailable: bool,
    pub(crate) open: bool,
}

impl FakeOrders {
    fn respond<T>(self, value: T) -> Result<T, StoreError> {
        if self.unavailable {
            Err(StoreError::Unavailable("no response".to_owned()))
        } else {
            Ok(value)
        }
    }
}

impl OrdersClient for FakeOrders {
    async fn recent_orders(&self, _: UserId) -> Result<Vec<RecentOrder>, StoreError> {
        self.respond(Vec::new())
    }
    async fn has_open_orders(&self, _: UserId) -> Result<bool, StoreError> {
        self.respond(self.open)
    }
    async fn has_open_lines(&self, _: SellerId) -> Result<bool, StoreError> {
        self.respond(self.open)
    }
}

/// A store in which another write is done just before the first one, or whose writes lose their
/// responses.
#[derive(Default)]
pub(crate) struct FaultyStore<'a> {
    pub(crate) store: MemoryAccounts,
    concurrent_write: Mutex<Option<BoxFuture<'a, ()>>>,
    lost_acks: bool,
}

impl<'a> FaultyStore<'a> {
    /// Its writes are done but return a conflict, as if their responses were lost and the writes
    /// sent again.
    pub(crate) fn with_lost_acks() -> Self {
        Self { lost_acks: true, ..Self::default() }
    }

    /// `write` is done just before the first write of this store.
    pub(crate) fn with_concurrent_write(
        store: &MemoryAccounts,
        write: impl Future<Output = ()> + Send + 'a,
    ) -> Self {
        let concurrent_write = Mutex::new(Some(Box::pin(write) as BoxFuture<'a, ()>));
        Self { store: store.clone(), concurrent_write, lost_acks: false }
    }

    /// Loses the responses of all writes, and `session` starts just before the first one.
    pub(crate) fn with_concurrent_login(
        store: &MemoryAccounts,
        session: Session,
        credential: Credential,
    ) -> Self {
        let sessions = store.clone();
        let log_in = async move {
            assert_eq!(sessions.start(&session, &credential, &[]).await, Ok(Write::Done));
        };
        Self { lost_acks: true, ..Self::with_concurrent_write(store, log_in) }
    }

    async fn write(
        &self,
        write: impl Future<Output = Result<Write, StoreError>> + Send,
    ) -> Result<Write, StoreError> {
        let concurrent = self.concurrent_write.lock().unwrap().take();
        if let Some(concurrent) = concurrent {
            concurrent.await;
        }
        let written = write.await?;
        Ok(if self.lost_acks { Write::Conflict(()) } else { written })
    }
}

impl AccountReader for FaultyStore<'_> {
    async fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
        self.store.account(account).await
    }
}

impl AccountWriter for FaultyStore<'_> {
    async fn save_account(&self, account: &Account) -> Result<Write, StoreError> {
        self.write(self.store.save_account(account)).await
    }
}

impl ProfileStore for FaultyStore<'_> {
    async fn profile(&self, user: UserId) -> Result<Option<Profile>, StoreError> {
        self.store.profile(user).await
    }
    async fn save_profile(&self, profile: &Profile) -> Result<Write, StoreError> {
        self.write(self.store.save_profile(profile)).await
    }
}

impl CredentialReader for FaultyStore<'_> {
    async fn credential(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
        self.store.credential(email).await
    }
}

impl CredentialWriter for FaultyStore<'_> {
    async fn save_credential(&self, credential: &Credential) -> Result<Write, StoreError> {
        self.write(self.store.save_credential(credential)).await
    }
}

impl ResetWriter for FaultyStore<'_> {
    async fn save_reset(&self, email: &Email, reset: &PasswordReset) -> Result<Write, StoreError> {
        self.write(self.store.save_reset(email, reset)).await
    }
}

impl ResetReader for FaultyStore<'_> {
    async fn reset(&self, email: &Email) -> Result<Option<PasswordReset>, StoreError> {
        self.store.reset(email).await
    }
    async fn use_reset(
        &self,
        credential: &Credential,
        reset: &PasswordReset,
    ) -> Result<Write, StoreError> {
        self.write(self.store.use_reset(credential, reset)).await
    }
}

impl AddressBookStore for FaultyStore<'_> {
    async fn addresses(&self, user: UserId) -> Result<Option<(Account, AddressBook)>, StoreError> {
        self.store.addresses(user).await
    }
    async fn save_addresses(
        &self,
        book: &AddressBook,
        account: &Account,
    ) -> Result<Write, StoreError> {
        self.write(self.store.save_addresses(book, account)).await
    }
}

impl SessionEnder for FaultyStore<'_> {
    async fn end_oldest(&self, account: AccountId, keep: u32) -> Result<usize, StoreError> {
        self.store.end_oldest(account, keep).await
    }
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

impl RateLimiter for FaultyStore<'_> {
    async fn acquire(
        &self,
        key: &RateLimitKey,
        limit: u32,
        now: Timestamp,
    ) -> Result<RateLimitDecision, StoreError> {
        self.store.acquire(key, limit, now).await
    }
    async fn refund(&self, key: &RateLimitKey) -> Result<(), StoreError> {
        self.store.refund(key).await
    }
    async fn clear(&self, key: &RateLimitKey) -> Result<(), StoreError> {
        self.store.clear(key).await
    }
}
