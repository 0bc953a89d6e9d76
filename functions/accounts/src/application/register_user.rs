use crate::{
    domain::{
        account::{Account, ContactDetails},
        credential::Password,
        registration::Registration,
    },
    ports::{AccountRegistrar, HashError, PasswordHasher},
};
use rialto_contracts::EventContext;
use rialto_kernel::{StoreError, Timestamp, UserId, Write};

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the email belongs to an account")]
    Duplicate,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a buyer's account with its default profile.
///
/// # Errors
/// [`RegisterError`]; nothing has changed then, unless the store can't tell.
pub async fn register_user(
    store: &impl AccountRegistrar,
    passwords: &impl PasswordHasher,
    user_id: UserId,
    details: ContactDetails,
    password: &Password,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Account, RegisterError> {
    let hash = passwords.hash(password)?;
    register(store, Registration::user(user_id, details, hash, cause, now)).await
}

pub(super) async fn register(
    store: &impl AccountRegistrar,
    registration: Registration,
) -> Result<Account, RegisterError> {
    match store.register(&registration).await? {
        Write::Done => Ok(registration.account),
        Write::Conflict(()) => Err(RegisterError::Duplicate),
    }
}
