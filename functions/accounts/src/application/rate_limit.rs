//! Attempts are counted before they are made, and taken back if they turn out right: as many as come at once can't get
//! past the limit.

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

/// Why nothing is tried.
#[derive(Debug, thiserror::Error)]
pub enum RateLimitError {
    #[error("too many attempts")]
    LimitExceeded { until: Timestamp },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an attempt on an email counts on: first the address that it comes from, which uses up nobody's attempts once it may try
/// no more itself.
pub(super) fn rate_limit_keys(
    attempt: LimitedAction,
    email: &Email,
    address: Option<IpAddr>,
) -> Vec<RateLimitKey> {
    let address = address.map(|address| RateLimitKey::ip_address(attempt, address));
    address.into_iter().chain([RateLimitKey::email(attempt, email)]).collect()
}

/// Counts an attempt on one counter after the other.
///
/// # Errors
/// [`RateLimitError`] at the first that admits no more.
pub(super) async fn acquire(
    store: &impl RateLimiter,
    counters: &[RateLimitKey],
    now: Timestamp,
) -> Result<(), RateLimitError> {
    for counter in counters {
        if let RateLimitDecision::Denied { until } = store.acquire(counter, now).await? {
            return Err(RateLimitError::LimitExceeded { until });
        }
    }
    Ok(())
}

/// The attempt was right: whose email it is has no attempts any more, and where it came from one less. What can't be taken
/// back is over with its window.
pub(super) async fn refund(store: &impl RateLimiter, counters: &[RateLimitKey]) {
    let taken_back = counters.iter().map(|counter| async move {
        match counter.subject {
            RateLimitSubject::Email(_) => store.clear(counter).await,
            RateLimitSubject::IpAddress(_) => store.refund(counter).await,
        }
    });
    for error in join_all(taken_back).await.into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "a right attempt still counts");
    }
}
