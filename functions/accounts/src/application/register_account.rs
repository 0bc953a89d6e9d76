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

/// Counts an attempt to register an account from an IP address, before anything is read or hashed.
/// `limit` attempts are allowed per window, whatever their outcome. Attempts without an address
/// share one counter.
///
/// # Errors
/// [`RateLimitError`].
pub async fn acquire_registration(
    store: &impl RateLimiter,
    action: LimitedAction,
    ip_address: Option<IpAddr>,
    limit: u32,
    now: Timestamp,
) -> Result<(), RateLimitError> {
    let address = ip_address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    acquire_up_to(store, &RateLimitKey::ip_address(action, address), limit, now).await
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
        domain::{credential::PasswordHash, rate_limit::RATE_LIMIT_WINDOW},
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

    #[tokio::test]
    async fn registrations_are_limited_per_ip_address() {
        let (store, now) = (MemoryAccounts::default(), SystemClock.now());
        let from = async |address: Option<&str>, action| {
            let address = address.map(|text| text.parse().unwrap());
            acquire_registration(&store, action, address, 3, now).await
        };
        let user = LimitedAction::RegisterUser;
        for _ in 0..3 {
            assert!(from(Some("192.0.2.1"), user).await.is_ok());
            assert!(from(None, user).await.is_ok());
        }
        let until = now.plus(RATE_LIMIT_WINDOW);
        for address in [Some("192.0.2.1"), None] {
            let refused = from(address, user).await;
            assert!(
                matches!(refused, Err(RateLimitError::LimitExceeded { until: end }) if end == until)
            );
        }
        assert!(from(Some("192.0.2.2"), user).await.is_ok());
        assert!(from(Some("192.0.2.1"), LimitedAction::RegisterSeller).await.is_ok());
    }
}
