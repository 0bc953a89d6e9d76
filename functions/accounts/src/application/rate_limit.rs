//! Rate limiting. Attempts are counted before verification and refunded on success, so that
//! concurrent attempts can't exceed the limit.

use crate::{
    domain::{
        contact::Email,
        rate_limit::{LimitedAction, RateLimitDecision, RateLimitKey, RateLimitSubject},
    },
    ports::RateLimiter,
};
use futures_util::future::join_all;
use rialto_kernel::{StoreError, Timestamp};
use std::net::IpAddr;

/// Errors of an attempt that isn't allowed.
#[derive(Debug, thiserror::Error)]
pub enum RateLimitError {
    #[error("too many attempts")]
    LimitExceeded { until: Timestamp },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys that an attempt is counted under. The client's address comes first, so that a blocked
/// address doesn't use up the email's attempts.
pub(super) fn rate_limit_keys(
    action: LimitedAction,
    email: &Email,
    ip_address: Option<IpAddr>,
) -> Vec<RateLimitKey> {
    let by_address = ip_address.map(|address| RateLimitKey::ip_address(action, address));
    by_address.into_iter().chain([RateLimitKey::email(action, email)]).collect()
}

/// Counts an attempt under one key after the other.
///
/// # Errors
/// [`RateLimitError`] at the first whose limit is reached.
pub(super) async fn acquire(
    store: &impl RateLimiter,
    keys: &[RateLimitKey],
    now: Timestamp,
) -> Result<(), RateLimitError> {
    for key in keys {
        acquire_up_to(store, key, key.limit(), now).await?;
    }
    Ok(())
}

/// Counts an attempt under a key whose limit is a setting.
///
/// # Errors
/// [`RateLimitError`].
pub(super) async fn acquire_up_to(
    store: &impl RateLimiter,
    key: &RateLimitKey,
    limit: u32,
    now: Timestamp,
) -> Result<(), RateLimitError> {
    match store.acquire(key, limit, now).await? {
        RateLimitDecision::Allowed => Ok(()),
        RateLimitDecision::Denied { until } => Err(RateLimitError::LimitExceeded { until }),
    }
}

/// Refunds a successful attempt: clears the email's counter and decrements the address's. Failures
/// are only logged, because the counters expire with their window.
pub(super) async fn refund(store: &impl RateLimiter, keys: &[RateLimitKey]) {
    let refunds = keys.iter().map(|key| async move {
        match key.subject {
            RateLimitSubject::Email(_) => store.clear(key).await,
            RateLimitSubject::IpAddress(_) => store.refund(key).await,
        }
    });
    for error in join_all(refunds).await.into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "couldn't decrement the attempt counter after a success");
    }
}
