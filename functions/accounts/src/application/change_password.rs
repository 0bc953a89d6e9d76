use super::{
    rate_limit::{RateLimitError, acquire, refund},
    replace_credential::replace_credential,
};
use crate::{
    domain::{
        credential::{Credential, Password},
        rate_limit::{LimitedAction, RateLimitKey},
    },
    ports::{
        AccountReader, CredentialReader, CredentialWriter, HashError, PasswordHasher, RateLimiter,
        SessionEnder,
    },
};
use rialto_kernel::{AccountId, SessionId, StoreError, Timestamp, Write};

/// A request to change a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordChange {
    pub account_id: AccountId,
    /// The caller's session, which stays active.
    pub session_id: SessionId,
    pub old_password: Password,
    pub new_password: Password,
}

/// Errors of changing a password.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("wrong old password")]
    WrongPassword,
    /// The account is closed.
    #[error("account not found")]
    NotFound,
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a password and ends every other session of the account.
///
/// # Errors
/// [`ChangePasswordError`]. The password is unchanged, unless the store's outcome is unknown.
pub async fn change_password(
    store: &(impl AccountReader + CredentialReader + CredentialWriter + SessionEnder + RateLimiter),
    hasher: &impl PasswordHasher,
    request: &PasswordChange,
    now: Timestamp,
) -> Result<(), ChangePasswordError> {
    let credential = find_credential(store, request.account_id).await?;
    let keys = [RateLimitKey::email(LimitedAction::VerifyPassword, &credential.email)];
    acquire(store, &keys, now).await?;
    if !hasher.verify(&request.old_password, &credential.password_hash) {
        return Err(ChangePasswordError::WrongPassword);
    }
    refund(store, &keys).await;
    let password_hash = hasher.hash(&request.new_password)?;
    let changed = Credential { password_hash, version: credential.version + 1, ..credential };
    let save = || store.save_credential(&changed);
    match replace_credential(store, &changed, Some(request.session_id), save).await? {
        Write::Done => Ok(()),
        // Not repeated: the old password was verified against a credential that isn't stored any
        // more.
        Write::Conflict(()) => Err(StoreError::Contended.into()),
    }
}

async fn find_credential(
    store: &(impl AccountReader + CredentialReader),
    account_id: AccountId,
) -> Result<Credential, ChangePasswordError> {
    let account = store.account(account_id).await?.ok_or(ChangePasswordError::NotFound)?;
    let email =
        account.details.map(|details| details.email).ok_or(ChangePasswordError::NotFound)?;
    let credential = store.credential(&email).await?;
    // After unregistration, the email may belong to another account.
    credential
        .filter(|credential| credential.account_id == account_id)
        .ok_or(ChangePasswordError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        domain::{refresh_token::RefreshKey, session::Session},
        ports::{SessionReader, SessionStarter},
        testing::{FakeHasher, FaultyStore, PASSWORD, registered_buyer},
    };
    use rialto_kernel::{Clock, SystemClock};

    fn new_session(credential: &Credential) -> Session {
        let now = SystemClock.now();
        Session::start(SessionId::generate(now), credential.account_id, &RefreshKey([1; 32]), now).0
    }

    async fn start_session(store: &MemoryAccounts, credential: &Credential) -> Session {
        let session = new_session(credential);
        assert_eq!(store.start(&session, credential, &[]).await, Ok(Write::Done));
        session
    }

    fn request(session: &Session, old: &str) -> PasswordChange {
        PasswordChange {
            account_id: session.account_id,
            session_id: session.session_id,
            old_password: Password::from_login_input(old).unwrap(),
            new_password: Password::new("a better one").unwrap(),
        }
    }

    #[tokio::test]
    async fn a_new_password_ends_every_other_session() {
        let store = MemoryAccounts::default();
        let credential = registered_buyer(&store, "ann@example.com").await;
        let (current, other) =
            (start_session(&store, &credential).await, start_session(&store, &credential).await);
        change_password(&store, &FakeHasher, &request(&current, PASSWORD), SystemClock.now())
            .await
            .unwrap();
        let changed = store.credential(&credential.email).await.unwrap().unwrap();
        assert_eq!(
            (changed.password_hash.0.as_str(), changed.version),
            ("hash of a better one", credential.version + 1)
        );
        assert_eq!(
            store.session(current.account_id, current.session_id).await.unwrap(),
            Some(current.clone())
        );
        assert_eq!(store.session(other.account_id, other.session_id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn ten_wrong_old_passwords_are_allowed_per_window() {
        let store = MemoryAccounts::default();
        let credential = registered_buyer(&store, "ann@example.com").await;
        let (current, other) =
            (start_session(&store, &credential).await, start_session(&store, &credential).await);
        let now = SystemClock.now();
        for _ in 0..10 {
            let refused =
                change_password(&store, &FakeHasher, &request(&current, "wrong"), now).await;
            assert!(matches!(refused, Err(ChangePasswordError::WrongPassword)));
        }
        let refused = change_password(&store, &FakeHasher, &request(&current, PASSWORD), now).await;
        assert!(matches!(
            refused,
            Err(ChangePasswordError::RateLimited(RateLimitError::LimitExceeded { .. }))
        ));
        assert_eq!(store.credential(&credential.email).await.unwrap(), Some(credential));
        assert!(store.session(other.account_id, other.session_id).await.unwrap().is_some());
    }

    /// A store in which a session starts with the old password while that is changed, and whose
    /// responses are lost; with the current session and that one.
    async fn with_concurrent_login() -> (FaultyStore<'static>, Session, Session) {
        let store = MemoryAccounts::default();
        let credential = registered_buyer(&store, "ann@example.com").await;
        let (current, concurrent) =
            (start_session(&store, &credential).await, new_session(&credential));
        let store = FaultyStore::with_concurrent_login(&store, concurrent.clone(), credential);
        (store, current, concurrent)
    }

    #[tokio::test]
    async fn a_change_with_a_lost_response_ends_concurrent_logins() {
        let (store, current, concurrent) = with_concurrent_login().await;
        change_password(&store, &FakeHasher, &request(&current, PASSWORD), SystemClock.now())
            .await
            .unwrap();
        let sessions = &store.store;
        assert_eq!(
            sessions.session(concurrent.account_id, concurrent.session_id).await.unwrap(),
            None
        );
        assert!(sessions.session(current.account_id, current.session_id).await.unwrap().is_some());
    }
}
