use crate::ports::{AccountCloser, AccountReader, CredentialReader, SessionEnder};
use rialto_contracts::EventContext;
use rialto_kernel::{AccountId, StoreError, Timestamp, UserId, Write};
use std::time::Duration;

/// Why an account is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UnregisterError {
    #[error("there is no such account")]
    NotFound,
    #[error("others change the account at the same moment")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// When orders is asked for the first time whether anything is open: what it tells, an index tells it, which may not know the
/// last order yet.
pub const FIRST_CHECK_DELAY: Duration = Duration::from_secs(60);

/// How often closing is tried anew because the account or its password was changed in between.
const MAX_ATTEMPTS: u32 = 5;

/// Closes a buyer's account: nobody logs in to it any more, its email is free, and its sessions end. Orders run on; what it tells
/// of a person is erased when the last of them has ended. A second time it only ends what goes on still.
///
/// # Errors
/// [`UnregisterError`]; do it again.
pub async fn unregister_user(
    store: &(impl AccountReader + CredentialReader + AccountCloser + SessionEnder),
    user_id: UserId,
    cause: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterError> {
    unregister(store, AccountId::User(user_id), cause, now).await
}

/// No session can begin without the credential, so those that are ended after it is gone are all.
pub(super) async fn unregister(
    store: &(impl AccountReader + CredentialReader + AccountCloser + SessionEnder),
    id: AccountId,
    cause: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterError> {
    close(store, id, cause, now).await?;
    store.end_all(id, None).await?;
    store.remove_profile(id).await?;
    Ok(())
}

async fn close(
    store: &(impl AccountReader + CredentialReader + AccountCloser),
    id: AccountId,
    cause: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterError> {
    for _ in 0..MAX_ATTEMPTS {
        let account = store.account(id).await?.ok_or(UnregisterError::NotFound)?;
        if !account.is_registered() {
            return Ok(());
        }
        let email = account.details.as_ref().map(|details| &details.email);
        let email = email.ok_or_else(|| StoreError::Corrupt(format!("{id} has no email")))?;
        // Without one, somebody has closed the account since it was read.
        let credential =
            store.credential(email).await?.filter(|credential| credential.account_id == id);
        let Some(credential) = credential else { continue };
        let (closed, events) = account.unregistered(cause, now);
        match store.close(&closed, &credential, &events, now.plus(FIRST_CHECK_DELAY)).await? {
            Write::Done => return Ok(()),
            Write::Conflict(()) => {}
        }
    }
    Err(UnregisterError::Contended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        domain::{refresh_token::RefreshKey, session::Session},
        ports::{ProfileStore, SessionReader, SessionStarter},
        testing::registered_buyer,
    };
    use rialto_kernel::{Clock, SessionId, SystemClock};

    #[tokio::test]
    async fn a_closed_account_lets_nobody_in_and_frees_its_email() {
        let (store, now, cause) =
            (MemoryAccounts::default(), SystemClock.now(), EventContext::default());
        let credential = registered_buyer(&store, "ann@example.com").await;
        let AccountId::User(user) = credential.account_id else { panic!("a buyer") };
        let id = SessionId::generate(now);
        let session = Session::start(id, credential.account_id, &RefreshKey([1; 32]), now).0;
        assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));

        unregister_user(&store, user, &cause, now).await.unwrap();
        assert_eq!(store.session(credential.account_id, id).await.unwrap(), None);
        assert_eq!(store.profile(user).await.unwrap(), None);
        assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Conflict(())));
        let account = store.account(credential.account_id).await.unwrap().unwrap();
        assert!(!account.is_registered() && account.details.is_some());
        let again = registered_buyer(&store, "ANN@example.com").await;

        // A second time nothing happens, and the email's new owner isn't touched.
        unregister_user(&store, user, &cause, now).await.unwrap();
        assert_eq!(store.credential(&again.email).await.unwrap(), Some(again));
        let told = store.published_events();
        assert_eq!(told.iter().filter(|event| event.kind == "UserUnregistered").count(), 1);
    }

    #[tokio::test]
    async fn an_account_that_is_not_there_cant_be_closed() {
        let nobody = UserId::generate(SystemClock.now());
        let store = MemoryAccounts::default();
        let refused =
            unregister_user(&store, nobody, &EventContext::default(), SystemClock.now()).await;
        assert!(matches!(refused, Err(UnregisterError::NotFound)));
    }
}
