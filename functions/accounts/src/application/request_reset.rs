use super::rate_limit::{RateLimitError, acquire, rate_limit_keys};
use crate::{
    domain::{contact::Email, rate_limit::LimitedAction},
    ports::{RateLimiter, ResetRequester},
};
use rialto_kernel::{StoreError, Timestamp};
use std::net::IpAddr;

/// Errors of requesting a code.
#[derive(Debug, thiserror::Error)]
pub enum RequestResetError {
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Requests a reset code for an email. Whether the email belongs to an account is looked up
/// asynchronously, so that neither the response nor its time reveals it.
///
/// # Errors
/// [`RequestResetError`].
pub async fn request_reset(
    store: &impl RateLimiter,
    requester: &impl ResetRequester,
    email: &Email,
    ip_address: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), RequestResetError> {
    let limits = rate_limit_keys(LimitedAction::RequestResetCode, email, ip_address);
    acquire(store, &limits, now).await?;
    Ok(requester.request(email).await?)
}
