//! Registration of any account: the routes for users and sellers, and the command for supervisors.

use super::rate_limit::{RateLimitError, acquire_up_to};
use crate::{
    domain::{
        account::{Account, ContactDetails},
        credential::Password,
        rate_limit::{LimitedAction, RateLimitKey},
        registration::Registration,
    },
    ports::{AccountRegistrar, CredentialReader, HashError, PasswordHasher, RateLimiter},
};
use rialto_contracts::EventContext;
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};
use std::net::{IpAddr, Ipv4Addr};

/// Errors of registering an account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the email belongs to another account")]
    Duplicate,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Errors of an attempt to register an account.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationAttemptError {
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// An attempt to register an account from an IP address.
#[derive(Debug)]
pub struct RegistrationAttempt {
    pub action: LimitedAction,
    pub ip_address: Option<IpAddr>,
    /// The number of attempts that are allowed per window.
    pub limit: u32,
    pub details: ContactDetails,
    pub password: Password,
}

/// Creates an account with this id, as [`register_account`] does, unless too many attempts came
/// from the IP address. An attempt is counted whatever its outcome, before anything is read or
/// hashed. Attempts without an address share one counter.
///
/// # Errors
/// [`RegistrationAttemptError`]. No account was created, unless the store's outcome is unknown.
pub async fn attempt_registration(
    store: &(impl AccountRegistrar + CredentialReader + RateLimiter),
    hasher: &impl PasswordHasher,
    account_id: AccountId,
    attempt: RegistrationAttempt,
    context: &EventContext,
    now: Timestamp,
) -> Result<Account, RegistrationAttemptError> {
    let RegistrationAttempt { action, ip_address, limit, details, password } = attempt;
    let address = ip_address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    acquire_up_to(store, &RateLimitKey::ip_address(action, address), limit, now).await?;
    Ok(register_account(store, hasher, account_id, details, &password, context, now).await?)
}

/// Creates an account with this id; a buyer's with its default profile. The password of an email
/// that is taken isn't hashed.
///
/// # Errors
/// [`RegisterError`]. Nothing was written, unless the store's outcome is unknown.
pub async fn register_account(
    store: &(impl AccountRegistrar + CredentialReader),
    hasher: &impl PasswordHasher,
    account_id: AccountId,
    details: ContactDetails,
    password: &Password,
    context: &EventContext,
    now: Timestamp,
) -> Result<Account, RegisterError> {
    if store.credential(&details.email).await?.is_some() {
        return Err(RegisterError::Duplicate);
    }
    let hash = hasher.hash(password)?;
    let registration = Registration::new(account_id, details, hash, context, now);
    match store.register(&registration).await? {
        Write::Done => Ok(registration.account),
        // Another registration with this email came first.
        Write::Conflict(()) => Err(RegisterError::Duplicate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        domain::{
            contact::Email,
            credential::{Credential, PasswordHash},
            rate_limit::{RATE_LIMIT_WINDOW, RateLimitDecision},
        },
        testing::{FakeHasher, PASSWORD, details},
    };
    use rialto_kernel::{Clock, SystemClock, UserId};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Counts the passwords that it hashes.
    #[derive(Default)]
    struct CountingHasher(AtomicU32);

    impl PasswordHasher for CountingHasher {
        fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            FakeHasher.hash(password)
        }
        fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
            FakeHasher.verify(password, hash)
        }
        fn dummy_hash(&self) -> PasswordHash {
            FakeHasher.dummy_hash()
        }
    }

    async fn register(
        store: &MemoryAccounts,
        hasher: &CountingHasher,
        email: &str,
    ) -> Result<Account, RegisterError> {
        let (now, password) = (SystemClock.now(), Password::new(PASSWORD).unwrap());
        let (id, context) = (AccountId::User(UserId::generate(now)), EventContext::default());
        register_account(store, hasher, id, details(email), &password, &context, now).await
    }

    #[tokio::test]
    async fn a_taken_email_is_refused_before_hashing() {
        let (store, hasher) = (MemoryAccounts::default(), CountingHasher::default());
        assert!(register(&store, &hasher, "ann@example.com").await.is_ok());
        let again = register(&store, &hasher, "Ann@Example.com").await;
        assert!(matches!(again, Err(RegisterError::Duplicate)), "{again:?}");
        assert_eq!(hasher.0.load(Ordering::Relaxed), 1);
    }

    /// Counts the credentials that are read.
    #[derive(Default)]
    struct CountingStore {
        store: MemoryAccounts,
        reads: AtomicU32,
    }

    impl CredentialReader for CountingStore {
        async fn credential(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.store.credential(email).await
        }
    }

    impl AccountRegistrar for CountingStore {
        async fn register(&self, registration: &Registration) -> Result<Write, StoreError> {
            self.store.register(registration).await
        }
    }

    impl RateLimiter for CountingStore {
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

    const USER: LimitedAction = LimitedAction::RegisterUser;
    const LIMIT: u32 = 3;

    async fn attempt(
        store: &CountingStore,
        hasher: &CountingHasher,
        (address, action): (Option<&str>, LimitedAction),
        now: Timestamp,
    ) -> Result<Account, RegistrationAttemptError> {
        let user = UserId::generate(now);
        let attempt = RegistrationAttempt {
            action,
            ip_address: address.map(|text| text.parse().unwrap()),
            limit: LIMIT,
            details: details(&format!("{user}@example.com")),
            password: Password::new(PASSWORD).unwrap(),
        };
        let context = EventContext::default();
        attempt_registration(store, hasher, AccountId::User(user), attempt, &context, now).await
    }

    #[tokio::test]
    async fn registrations_are_limited_per_ip_address() {
        let (store, hasher) = (CountingStore::default(), CountingHasher::default());
        let now = SystemClock.now();
        let from = async |address, action| attempt(&store, &hasher, (address, action), now).await;
        let known = Some("192.0.2.1");
        for _ in 0..LIMIT {
            assert!(from(known, USER).await.is_ok());
            assert!(from(None, USER).await.is_ok());
        }
        let expected = now.plus(RATE_LIMIT_WINDOW);
        for address in [known, None] {
            let refused = from(address, USER).await.unwrap_err();
            let RegistrationAttemptError::RateLimited(RateLimitError::LimitExceeded { until }) =
                refused
            else {
                panic!("{refused:?}")
            };
            assert_eq!(until, expected);
        }
        assert!(from(Some("192.0.2.2"), USER).await.is_ok());
        assert!(from(known, LimitedAction::RegisterSeller).await.is_ok());
    }

    #[tokio::test]
    async fn attempts_beyond_the_limit_read_and_hash_nothing() {
        let (store, hasher) = (CountingStore::default(), CountingHasher::default());
        let now = SystemClock.now();
        for _ in 0..LIMIT + 2 {
            attempt(&store, &hasher, (Some("192.0.2.1"), USER), now).await.ok();
        }
        let counted = (store.reads.into_inner(), hasher.0.into_inner());
        assert_eq!(counted, (LIMIT, LIMIT));
    }
}
