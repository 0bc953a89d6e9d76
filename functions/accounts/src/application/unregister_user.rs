use crate::ports::{AccountCloser, AccountReader, CredentialReader, SessionEnder};
use rialto_contracts::EventContext;
use rialto_kernel::{
    AccountId, StoreError, Timestamp, UserId,
    store::{self, Attempt},
};
use std::time::Duration;

/// Errors of closing an account.
#[derive(Debug, thiserror::Error)]
pub enum UnregisterError {
    #[error("account not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The time from closing an account until the orders service is first queried for open orders. It
/// queries an index, which may not have the last order yet.
pub const FIRST_CHECK_DELAY: Duration = Duration::from_secs(60);

/// Closes a buyer's account: its credential is deleted, which frees the email, and its sessions
/// end. Open orders continue; personal data is erased once the last of them is closed. Safe to
/// repeat after an error.
///
/// # Errors
/// [`UnregisterError`].
pub async fn unregister_user(
    store: &(impl AccountReader + CredentialReader + AccountCloser + SessionEnder),
    user_id: UserId,
    context: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterError> {
    unregister(store, AccountId::User(user_id), context, now).await
}

/// Closes an account of any role. Sessions end after the credential is deleted: no new one can
/// start without it.
pub(super) async fn unregister(
    store: &(impl AccountReader + CredentialReader + AccountCloser + SessionEnder),
    id: AccountId,
    context: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterError> {
    close(store, id, context, now).await?;
    store.end_all(id, None).await?;
    store.remove_profile(id).await?;
    Ok(())
}

async fn close(
    store: &(impl AccountReader + CredentialReader + AccountCloser),
    id: AccountId,
    context: &EventContext,
    now: Timestamp,
) -> Result<(), UnregisterError> {
    store::update(|| async {
        let account = store.account(id).await?.ok_or(UnregisterError::NotFound)?;
        if !account.is_registered() {
            return Ok(Attempt::Done(()));
        }
        let email = account.details.as_ref().map(|details| &details.email);
        let email = email.ok_or_else(|| StoreError::Corrupt(format!("{id} has no email")))?;
        // Without a credential, the account has been closed since it was read.
        let credential =
            store.credential(email).await?.filter(|credential| credential.account_id == id);
        let Some(credential) = credential else { return Ok(Attempt::Conflict) };
        let (closed, events) = account.unregistered(context, now);
        let check_at = now.plus(FIRST_CHECK_DELAY);
        let write = store.close(&closed, &credential, &events, check_at).await?;
        Ok(write.into_attempt(()))
    })
    .await
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
    use rialto_kernel::{Clock, SessionId, SystemClock, Write};

    #[tokio::test]
    async fn closing_an_account_ends_sessions_and_frees_the_email() {
        let (store, now, context) =
            (MemoryAccounts::default(), SystemClock.now(), EventContext::default());
        let credential = registered_buyer(&store, "ann@example.com").await;
        let AccountId::User(user) = credential.account_id else { panic!("a buyer") };
        let id = SessionId::generate(now);
        let session = Session::start(id, credential.account_id, &RefreshKey([1; 32]), now).0;
        assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));

        unregister_user(&store, user, &context, now).await.unwrap();
        assert_eq!(store.session(credential.account_id, id).await.unwrap(), None);
        assert_eq!(store.profile(user).await.unwrap(), None);
        assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Conflict(())));
        let account = store.account(credential.account_id).await.unwrap().unwrap();
        assert!(!account.is_registered() && account.details.is_some());
        let again = registered_buyer(&store, "ANN@example.com").await;

        // Repeating it changes nothing, also for the email's new owner.
        unregister_user(&store, user, &context, now).await.unwrap();
        assert_eq!(store.credential(&again.email).await.unwrap(), Some(again));
        let events = store.published_events();
        assert_eq!(events.iter().filter(|event| event.kind == "UserUnregistered").count(), 1);
    }

    #[tokio::test]
    async fn closing_an_unknown_account_fails() {
        let unknown = UserId::generate(SystemClock.now());
        let store = MemoryAccounts::default();
        let refused =
            unregister_user(&store, unknown, &EventContext::default(), SystemClock.now()).await;
        assert!(matches!(refused, Err(UnregisterError::NotFound)));
    }
}
