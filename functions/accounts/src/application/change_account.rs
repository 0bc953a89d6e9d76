//! Changes of an account's contact details and settings: the routes for users and sellers.

use crate::{
    domain::account::{Account, AccountPatch},
    ports::{AccountReader, AccountWriter},
};
use rialto_kernel::{
    AccountId, IfMatch, PreconditionFailed, StoreError, Write,
    store::{self, Attempt},
};

/// Errors of changing an account.
#[derive(Debug, thiserror::Error)]
pub enum ChangeAccountError {
    #[error("account not found")]
    NotFound,
    #[error(transparent)]
    PreconditionFailed(#[from] PreconditionFailed),
    #[error("the account is closed")]
    Unregistered,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies a patch to an account. Concurrent patches of different fields are both kept; with
/// `if_match`, a patch fails once the account isn't the one that the client has read.
///
/// # Errors
/// [`ChangeAccountError`]. Nothing was written, unless the store's outcome is unknown.
pub async fn change_account(
    store: &(impl AccountReader + AccountWriter),
    id: AccountId,
    patch: &AccountPatch,
    if_match: &IfMatch,
) -> Result<Account, ChangeAccountError> {
    store::update(|| async {
        let account = store.account(id).await?.ok_or(ChangeAccountError::NotFound)?;
        if_match.check(&account.etag())?;
        if !account.is_registered() {
            return Err(ChangeAccountError::Unregistered);
        }
        let changed = account.with_patch(patch.clone());
        Ok(match store.save_account(&changed).await? {
            Write::Done => Attempt::Done(changed),
            Write::Conflict(()) if was_persisted(store, &changed).await? => Attempt::Done(changed),
            Write::Conflict(()) => Attempt::Conflict,
        })
    })
    .await
}

/// Whether the stored account is this one, apart from its last login. A write whose response was
/// lost is sent again and then conflicts with itself.
async fn was_persisted(store: &impl AccountReader, changed: &Account) -> Result<bool, StoreError> {
    let stored = store.account(changed.account_id).await?;
    Ok(stored.is_some_and(|stored| {
        Account { last_login_at: changed.last_login_at, ..stored } == *changed
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        application::unregister_user::unregister_user,
        domain::contact::Name,
        testing::{FaultyStore, registered_buyer, registered_user},
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{Clock, Phone, SystemClock, UserId};

    fn name(text: &str) -> AccountPatch {
        AccountPatch { name: Some(Name::parse(text).unwrap()), ..AccountPatch::default() }
    }

    fn phone(text: &str) -> AccountPatch {
        AccountPatch { phone: Some(Phone::parse(text).unwrap()), ..AccountPatch::default() }
    }

    async fn if_match(store: &impl AccountReader, id: AccountId) -> IfMatch {
        let etag = store.account(id).await.unwrap().unwrap().etag();
        IfMatch::parse(etag.as_str()).unwrap()
    }

    #[tokio::test]
    async fn a_patch_needs_the_version_that_the_client_read() {
        let store = MemoryAccounts::default();
        let id = registered_buyer(&store, "ann@example.com").await.account_id;
        let read = if_match(&store, id).await;
        change_account(&store, id, &name("Ann Roe"), &read).await.unwrap();
        let before = store.account(id).await.unwrap();
        let refused = change_account(&store, id, &name("Ann Doe"), &read).await;
        assert!(matches!(refused, Err(ChangeAccountError::PreconditionFailed(_))), "{refused:?}");
        assert_eq!(store.account(id).await.unwrap(), before);
        change_account(&store, id, &name("Ann Doe"), &IfMatch::Any).await.unwrap();
    }

    #[tokio::test]
    async fn concurrent_patches_of_different_fields_are_both_kept() {
        let store = MemoryAccounts::default();
        let id = registered_buyer(&store, "ann@example.com").await.account_id;
        let racing = FaultyStore::with_concurrent_write(&store, async {
            change_account(&store, id, &phone("+4915550199"), &IfMatch::Absent).await.unwrap();
        });
        let changed =
            change_account(&racing, id, &name("Ann Roe"), &IfMatch::Absent).await.unwrap();
        let details = changed.details.unwrap();
        assert_eq!(details.name.as_str(), "Ann Roe");
        assert_eq!(details.phone.unwrap().as_str(), "+4915550199");
    }

    #[tokio::test]
    async fn a_patch_fails_when_the_account_changes_before_the_write() {
        let store = MemoryAccounts::default();
        let id = registered_buyer(&store, "ann@example.com").await.account_id;
        let read = if_match(&store, id).await;
        let racing = FaultyStore::with_concurrent_write(&store, async {
            change_account(&store, id, &phone("+4915550199"), &IfMatch::Absent).await.unwrap();
        });
        let refused = change_account(&racing, id, &name("Ann Roe"), &read).await;
        assert!(matches!(refused, Err(ChangeAccountError::PreconditionFailed(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_patch_is_repeated_while_the_tag_still_matches() {
        let store = MemoryAccounts::default();
        let id = registered_buyer(&store, "ann@example.com").await.account_id;
        let read = if_match(&store, id).await;
        let racing = FaultyStore::with_concurrent_write(&store, async {
            // A new version with the same fields, and so with the same tag.
            let same = AccountPatch::default();
            change_account(&store, id, &same, &IfMatch::Absent).await.unwrap();
        });
        let changed = change_account(&racing, id, &name("Ann Roe"), &read).await.unwrap();
        assert_eq!(changed.version, 3);
    }

    #[tokio::test]
    async fn a_patch_whose_response_was_lost_is_applied_once() {
        let store = FaultyStore::with_lost_acks();
        let id = registered_buyer(&store.store, "ann@example.com").await.account_id;
        let read = if_match(&store, id).await;
        let changed = change_account(&store, id, &name("Ann Roe"), &read).await.unwrap();
        assert_eq!(changed.version, 2);
        assert_eq!(store.account(id).await.unwrap(), Some(changed));
    }

    #[tokio::test]
    async fn a_failed_precondition_is_reported_before_a_closed_account() {
        let (store, now) = (MemoryAccounts::default(), SystemClock.now());
        let user = registered_user(&store, "ann@example.com").await;
        let id = AccountId::User(user);
        let read = if_match(&store, id).await;
        change_account(&store, id, &name("Ann Roe"), &IfMatch::Absent).await.unwrap();
        unregister_user(&store, user, &EventContext::default(), now).await.unwrap();
        let refused = change_account(&store, id, &name("Ann Doe"), &read).await;
        assert!(matches!(refused, Err(ChangeAccountError::PreconditionFailed(_))), "{refused:?}");
        let refused = change_account(&store, id, &name("Ann Doe"), &IfMatch::Any).await;
        assert!(matches!(refused, Err(ChangeAccountError::Unregistered)), "{refused:?}");
        let unknown = AccountId::User(UserId::generate(now));
        let refused = change_account(&store, unknown, &name("Ann Doe"), &read).await;
        assert!(matches!(refused, Err(ChangeAccountError::NotFound)), "{refused:?}");
    }
}
