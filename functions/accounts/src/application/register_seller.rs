use super::register_user::{RegisterError, register};
use crate::{
    domain::{
        account::{Account, ContactDetails},
        credential::Password,
        registration::Registration,
    },
    ports::{AccountRegistrar, PasswordHasher},
};
use rialto_contracts::EventContext;
use rialto_kernel::{SellerId, Timestamp};

/// Makes a seller's account.
///
/// # Errors
/// [`RegisterError`]; nothing has changed then, unless the store can't tell.
pub async fn register_seller(
    store: &impl AccountRegistrar,
    passwords: &impl PasswordHasher,
    seller_id: SellerId,
    details: ContactDetails,
    password: &Password,
    cause: &EventContext,
    now: Timestamp,
) -> Result<Account, RegisterError> {
    let hash = passwords.hash(password)?;
    register(store, Registration::seller(seller_id, details, hash, cause, now)).await
}
