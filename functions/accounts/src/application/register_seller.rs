use super::register_user::{RegisterError, register};
use crate::{
    domain::{
        account::{Account, Details},
        credential::Password,
        registration::Registration,
    },
    ports::{Passwords, Registrar},
};
use rialto_contracts::Cause;
use rialto_kernel::{SellerId, Timestamp};

/// Makes a seller's account.
///
/// # Errors
/// [`RegisterError`]; nothing has changed then, unless the store can't tell.
pub async fn register_seller(
    store: &impl Registrar,
    passwords: &impl Passwords,
    seller_id: SellerId,
    details: Details,
    password: &Password,
    cause: &Cause,
    now: Timestamp,
) -> Result<Account, RegisterError> {
    let hash = passwords.hash(password)?;
    register(store, Registration::seller(seller_id, details, hash, cause, now)).await
}
