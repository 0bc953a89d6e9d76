use super::register_user::{RegisterError, register};
use crate::{
    domain::{
        account::{Account, ContactDetails},
        contact::{Email, Name},
        credential::Password,
        registration::Registration,
    },
    ports::{AccountRegistrar, PasswordHasher},
};
use rialto_kernel::{SupervisorId, Timestamp};

/// Makes a supervisor's account: only the command line does.
///
/// # Errors
/// [`RegisterError`]; nothing has changed then, unless the store can't tell.
pub async fn create_supervisor(
    store: &impl AccountRegistrar,
    passwords: &impl PasswordHasher,
    supervisor_id: SupervisorId,
    email: Email,
    name: Name,
    password: &Password,
    now: Timestamp,
) -> Result<Account, RegisterError> {
    let hash = passwords.hash(password)?;
    let details = ContactDetails { email, name, phone: None };
    register(store, Registration::supervisor(supervisor_id, details, hash, now)).await
}
