use super::rate_limit::{RateLimitError, acquire, refund};
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

/// Whose password is changed, from where, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordChange {
    pub account_id: AccountId,
    /// The session that goes on.
    pub session_id: SessionId,
    pub old: Password,
    pub new: Password,
}

/// Why the password is what it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the old password is wrong")]
    WrongPassword,
    /// The account is closed.
    #[error("there is no such account")]
    NotFound,
    #[error("the password was changed at the same moment")]
    Contended,
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a password; every other session of the account ends.
///
/// They end before the change, so that none survives a change whose end was cut off, and once more after it, whatever is known
/// of it, for one that began with the old password in between.
///
/// # Errors
/// [`ChangePasswordError`]; the password is the old one then, unless the store can't tell.
pub async fn change_password(
    store: &(impl AccountReader + CredentialReader + CredentialWriter + SessionEnder + RateLimiter),
    passwords: &impl PasswordHasher,
    request: &PasswordChange,
    now: Timestamp,
) -> Result<(), ChangePasswordError> {
    let credential = credential(store, request.account_id).await?;
    let counters = [RateLimitKey::email(LimitedAction::VerifyPassword, &credential.email)];
    acquire(store, &counters, now).await?;
    if !passwords.verify(&request.old, &credential.password_hash) {
        return Err(ChangePasswordError::WrongPassword);
    }
    refund(store, &counters).await;
    let password_hash = passwords.hash(&request.new)?;
    let changed = Credential { password_hash, version: credential.version + 1, ..credential };
    store.end_all(request.account_id, Some(request.session_id)).await?;
    let written = store.save_credential(&changed).await;
    store.end_all(request.account_id, Some(request.session_id)).await?;
    match written? {
        Write::Done => Ok(()),
        Write::Conflict(()) if was_persisted(store, &changed).await? => Ok(()),
        Write::Conflict(()) => Err(ChangePasswordError::Contended),
    }
}

/// Whether a credential that seems to have come too late is there after all: a write whose answer was lost is sent again, and
/// then collides with itself.
pub(super) async fn was_persisted(
    store: &impl CredentialReader,
    credential: &Credential,
) -> Result<bool, StoreError> {
    Ok(store.credential(&credential.email).await?.as_ref() == Some(credential))
}

async fn credential(
    store: &(impl AccountReader + CredentialReader),
    account_id: AccountId,
) -> Result<Credential, ChangePasswordError> {
    let account = store.account(account_id).await?.ok_or(ChangePasswordError::NotFound)?;
    let email =
        account.details.map(|details| details.email).ok_or(ChangePasswordError::NotFound)?;
    let credential = store.credential(&email).await?;
    // An email that became free may belong to another account by now.
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
        testing::{FakeHasher, LostAckStore, PASSWORD, registered_buyer},
    };
    use rialto_kernel::{Clock, SystemClock};

    fn new_session(credential: &Credential) -> Session {
        let now = SystemClock.now();
        Session::start(SessionId::generate(now), credential.account_id, &RefreshKey([1; 32]), now).0
    }

    async fn session(store: &MemoryAccounts, credential: &Credential) -> Session {
        let session = new_session(credential);
        assert_eq!(store.start(&session, credential, &[]).await, Ok(Write::Done));
        session
    }

    fn request(session: &Session, old: &str) -> PasswordChange {
        PasswordChange {
            account_id: session.account_id,
            session_id: session.session_id,
            old: Password::from_login_input(old).unwrap(),
            new: Password::new("a better one").unwrap(),
        }
    }

    #[tokio::test]
    async fn the_new_password_counts_and_only_this_session_goes_on() {
        let store = MemoryAccounts::default();
        let credential = registered_buyer(&store, "ann@example.com").await;
        let (here, there) =
            (session(&store, &credential).await, session(&store, &credential).await);
        change_password(&store, &FakeHasher, &request(&here, PASSWORD), SystemClock.now())
            .await
            .unwrap();
        let changed = store.credential(&credential.email).await.unwrap().unwrap();
        assert_eq!(
            (changed.password_hash.0.as_str(), changed.version),
            ("hash of a better one", credential.version + 1)
        );
        assert_eq!(
            store.session(here.account_id, here.session_id).await.unwrap(),
            Some(here.clone())
        );
        assert_eq!(store.session(there.account_id, there.session_id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_wrong_old_password_changes_nothing_and_can_be_tried_ten_times() {
        let store = MemoryAccounts::default();
        let credential = registered_buyer(&store, "ann@example.com").await;
        let (here, there) =
            (session(&store, &credential).await, session(&store, &credential).await);
        let now = SystemClock.now();
        for _ in 0..10 {
            let refused = change_password(&store, &FakeHasher, &request(&here, "wrong"), now).await;
            assert!(matches!(refused, Err(ChangePasswordError::WrongPassword)));
        }
        let refused = change_password(&store, &FakeHasher, &request(&here, PASSWORD), now).await;
        assert!(matches!(
            refused,
            Err(ChangePasswordError::RateLimited(RateLimitError::LimitExceeded { .. }))
        ));
        assert_eq!(store.credential(&credential.email).await.unwrap(), Some(credential));
        assert!(store.session(there.account_id, there.session_id).await.unwrap().is_some());
    }

    /// A store in which a session begins with the old password while it is changed, and which forgets that it was.
    async fn forgetful() -> (LostAckStore, Session, Session) {
        let store = MemoryAccounts::default();
        let credential = registered_buyer(&store, "ann@example.com").await;
        let (here, late) = (session(&store, &credential).await, new_session(&credential));
        (LostAckStore { store, begins: Some((late.clone(), credential)).into() }, here, late)
    }

    #[tokio::test]
    async fn a_change_that_collides_with_itself_has_happened_and_ends_what_began_meanwhile() {
        let (store, here, late) = forgetful().await;
        change_password(&store, &FakeHasher, &request(&here, PASSWORD), SystemClock.now())
            .await
            .unwrap();
        let sessions = &store.store;
        assert_eq!(sessions.session(late.account_id, late.session_id).await.unwrap(), None);
        assert!(sessions.session(here.account_id, here.session_id).await.unwrap().is_some());
    }
}
