//! Attempts are counted before they are made, and taken back if they turn out right: as many as come at once can't get
//! past the limit.

use crate::{
    domain::attempts::{Admission, Counter, Subject},
    ports::AttemptCounter,
};
use futures_util::future::join_all;
use rialto_kernel::{StoreError, Timestamp};

/// Why nothing is tried.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    #[error("too many attempts")]
    TooMany { until: Timestamp },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts an attempt on each counter.
///
/// # Errors
/// [`AttemptError`] if one of them admits no more.
pub(super) async fn admit(
    store: &impl AttemptCounter,
    counters: &[Counter],
    now: Timestamp,
) -> Result<(), AttemptError> {
    let counted = join_all(counters.iter().map(|counter| store.count(counter, now))).await;
    let mut until = None;
    for admission in counted {
        if let Admission::Refused { until: end } = admission? {
            until = until.max(Some(end));
        }
    }
    until.map_or(Ok(()), |until| Err(AttemptError::TooMany { until }))
}

/// The attempt was right: whose email it is has no attempts any more, and where it came from one less. What can't be taken
/// back is over with its window.
pub(super) async fn succeeded(store: &impl AttemptCounter, counters: &[Counter]) {
    let taken_back = counters.iter().map(|counter| async move {
        match counter.subject {
            Subject::Email(_) => store.forget(counter).await,
            Subject::Address(_) => store.take_back(counter).await,
        }
    });
    for error in join_all(taken_back).await.into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "a right attempt still counts");
    }
}
