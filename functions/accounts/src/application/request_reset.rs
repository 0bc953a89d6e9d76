use super::rate_limit::{RateLimitError, acquire, rate_limit_keys};
use crate::{
    domain::{contact::Email, rate_limit::LimitedAction},
    ports::{RateLimiter, ResetRequester},
};
use rialto_kernel::{StoreError, Timestamp};
use std::net::IpAddr;

/// Why no code is mailed.
#[derive(Debug, thiserror::Error)]
pub enum RequestResetError {
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has a code mailed, if anybody has the email: whether anybody does is looked up out of sight, so that neither the answer nor
/// the time it takes tells.
///
/// # Errors
/// [`RequestResetError`].
pub async fn request_reset(
    store: &impl RateLimiter,
    requester: &impl ResetRequester,
    email: &Email,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), RequestResetError> {
    acquire(store, &rate_limit_keys(LimitedAction::RequestResetCode, email, address), now).await?;
    Ok(requester.request(email).await?)
}
