use super::register_user::{RegisterError, register};
use crate::{
    domain::{
        account::{Account, Details},
        contact::{Email, Name},
        credential::Password,
        registration::Registration,
    },
    ports::{Passwords, Registrar},
};
use rialto_kernel::{SupervisorId, Timestamp};

/// Makes a supervisor's account: only the command line does.
///
/// # Errors
/// [`RegisterError`]; nothing has changed then, unless the store can't tell.
pub async fn create_supervisor(
    store: &impl Registrar,
    passwords: &impl Passwords,
    supervisor_id: SupervisorId,
    email: Email,
    name: Name,
    password: &Password,
    now: Timestamp,
) -> Result<Account, RegisterError> {
    let hash = passwords.hash(password)?;
    let details = Details { email, name, phone: None };
    register(store, Registration::supervisor(supervisor_id, details, hash, now)).await
}
