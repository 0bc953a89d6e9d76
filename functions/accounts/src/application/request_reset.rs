use super::limit_attempts::{AttemptError, admit, counters};
use crate::{
    domain::{attempts::Attempt, contact::Email},
    ports::{AttemptCounter, ResetRequester},
};
use rialto_kernel::{StoreError, Timestamp};
use std::net::IpAddr;

/// Why no code is mailed.
#[derive(Debug, thiserror::Error)]
pub enum RequestResetError {
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has a code mailed, if anybody has the email: whether anybody does is looked up out of sight, so that neither the answer nor
/// the time it takes tells.
///
/// # Errors
/// [`RequestResetError`].
pub async fn request_reset(
    store: &impl AttemptCounter,
    requester: &impl ResetRequester,
    email: &Email,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), RequestResetError> {
    admit(store, &counters(Attempt::MailCode, email, address), now).await?;
    Ok(requester.request(email).await?)
}
