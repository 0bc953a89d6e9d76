//! Registration of any account: the routes for users and sellers, and the command for supervisors.

use crate::{
    domain::{
        account::{Account, ContactDetails},
        credential::Password,
        registration::Registration,
    },
    ports::{AccountRegistrar, HashError, PasswordHasher},
};
use rialto_contracts::EventContext;
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};

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

/// Creates an account with this id; a buyer's with its default profile.
///
/// # Errors
/// [`RegisterError`]. Nothing was written, unless the store's outcome is unknown.
pub async fn register_account(
    store: &impl AccountRegistrar,
    hasher: &impl PasswordHasher,
    account_id: AccountId,
    details: ContactDetails,
    password: &Password,
    context: &EventContext,
    now: Timestamp,
) -> Result<Account, RegisterError> {
    let hash = hasher.hash(password)?;
    let registration = Registration::new(account_id, details, hash, context, now);
    match store.register(&registration).await? {
        Write::Done => Ok(registration.account),
        Write::Conflict(()) => Err(RegisterError::Duplicate),
    }
}
