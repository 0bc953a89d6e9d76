use crate::{
    domain::account::{Account, AccountPatch},
    ports::{AccountReader, AccountWriter},
};
use rialto_kernel::{AccountId, StoreError, UserId, Write};

/// Why an account is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeAccountError {
    #[error("there is no such account")]
    NotFound,
    #[error("the account is closed")]
    Unregistered,
    #[error("others change the account at the same moment")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a change is made anew because somebody else's came first.
const MAX_ATTEMPTS: u32 = 5;

/// Changes what a buyer has told.
///
/// # Errors
/// [`ChangeAccountError`]; nothing has changed then, unless the store can't tell.
pub async fn change_user(
    store: &(impl AccountReader + AccountWriter),
    user_id: UserId,
    edit: &AccountPatch,
) -> Result<Account, ChangeAccountError> {
    change_account(store, AccountId::User(user_id), edit).await
}

pub(super) async fn change_account(
    store: &(impl AccountReader + AccountWriter),
    id: AccountId,
    edit: &AccountPatch,
) -> Result<Account, ChangeAccountError> {
    for _ in 0..MAX_ATTEMPTS {
        let account = store.account(id).await?.ok_or(ChangeAccountError::NotFound)?;
        if !account.is_registered() {
            return Err(ChangeAccountError::Unregistered);
        }
        let edited = account.with_patch(edit.clone());
        match store.save_account(&edited).await? {
            Write::Done => return Ok(edited),
            Write::Conflict(()) => {}
        }
    }
    Err(ChangeAccountError::Contended)
}
