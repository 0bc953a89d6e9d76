//! Rotation of the key of refresh tokens, so that no session ends. First the next key is accepted;
//! once every function has read it, it issues tokens. The previous key is accepted for as long as
//! its last token may be valid.
//!
//! The keys are one secret, which can't be written conditionally: of concurrent rotations one may
//! undo a change of the other. So a change is read again after
//! [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME), and repeated until it persists.

use super::{
    publish_keys::retry_until_stable,
    rotate_keys::{OVERLAP, PROPAGATION_DELAY},
};
use crate::{
    domain::{
        refresh_token::{AcceptedRefreshKey, RandomnessError, RefreshKey, RefreshKeys},
        session::SESSION_LIFETIME,
    },
    ports::RefreshKeyWriter,
};
use rialto_kernel::{StoreError, Timestamp};
use std::time::Duration;

/// How long the next key is accepted before it issues tokens. A rotation that was interrupted
/// leaves it behind for this time.
const PREPARATION: Duration = Duration::from_secs(24 * 3600);

/// Errors of a rotation. Tokens that were issued stay valid; the rotation can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RotateRefreshKeyError {
    #[error("no key for refresh tokens")]
    NoKey,
    /// The next key isn't accepted any more and won't issue tokens.
    #[error("rotation superseded by a concurrent one")]
    Superseded,
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Generates the next key, whose tokens are accepted from then on.
///
/// # Errors
/// [`RotateRefreshKeyError`]. The current key still issues tokens.
pub async fn accept_next_key(
    keys: &impl RefreshKeyWriter,
    now: Timestamp,
) -> Result<RefreshKey, RotateRefreshKeyError> {
    let next = RefreshKey::generate()?;
    accept(keys, &next, now.plus(PREPARATION), now).await?;
    Ok(next)
}

/// Accepts a next key again while concurrent writers undo it. Each `pause` has to last for
/// [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME).
///
/// # Errors
/// [`RotateRefreshKeyError`]. The current key still issues tokens.
pub async fn ensure_accepted(
    keys: &impl RefreshKeyWriter,
    next: &RefreshKey,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<(), RotateRefreshKeyError> {
    let until = now.plus(PREPARATION);
    retry_until_stable(pause, async || Ok(((), accept(keys, next, until, now).await?))).await
}

/// Makes an accepted key the one that issues tokens. Every function has to have read it. Returns
/// the time until which the previous key is accepted.
///
/// # Errors
/// [`RotateRefreshKeyError`]. Unless it is [`RotateRefreshKeyError::Superseded`], it isn't known
/// which key issues tokens.
pub async fn activate_next_key(
    keys: &impl RefreshKeyWriter,
    next: &RefreshKey,
    now: Timestamp,
) -> Result<Timestamp, RotateRefreshKeyError> {
    let stored = current(keys).await?;
    if !stored.contains(next, now) {
        return Err(RotateRefreshKeyError::Superseded);
    }
    let until = previous_key_end(now);
    let mut accepted = stored.accepted;
    accepted.retain(|accepted| accepted.key != *next && now < accepted.until);
    if stored.current != *next {
        accepted.push(AcceptedRefreshKey { key: stored.current, until });
    }
    keys.replace_refresh_keys(&RefreshKeys { current: next.clone(), accepted }).await?;
    Ok(until)
}

/// Accepts the tokens of a key that was activated, again while concurrent rotations undo it. Each
/// `pause` has to last for [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME).
///
/// # Errors
/// [`RotateRefreshKeyError`]. Safe to retry.
pub async fn confirm_activation(
    keys: &impl RefreshKeyWriter,
    activated: &RefreshKey,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<(), RotateRefreshKeyError> {
    let until = previous_key_end(now);
    retry_until_stable(pause, async || Ok(((), accept(keys, activated, until, now).await?))).await
}

/// Replaces every key at once, for when one has leaked: every session has to log in again.
///
/// # Errors
/// [`RotateRefreshKeyError`].
pub async fn revoke_keys(keys: &impl RefreshKeyWriter) -> Result<(), RotateRefreshKeyError> {
    current(keys).await?;
    Ok(keys.replace_refresh_keys(&RefreshKey::generate()?.into()).await?)
}

/// The end of a key that was replaced at `now`: functions use it until they reload the secret, and
/// the last token that they issue is valid for its whole lifetime.
fn previous_key_end(now: Timestamp) -> Timestamp {
    now.plus(SESSION_LIFETIME + PROPAGATION_DELAY + OVERLAP)
}

async fn current(keys: &impl RefreshKeyWriter) -> Result<RefreshKeys, RotateRefreshKeyError> {
    keys.current_refresh_keys().await?.ok_or(RotateRefreshKeyError::NoKey)
}

/// Accepts a key's tokens until a time, and returns whether they were accepted before.
async fn accept(
    keys: &impl RefreshKeyWriter,
    key: &RefreshKey,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, RotateRefreshKeyError> {
    let mut stored = current(keys).await?;
    if stored.contains(key, now) {
        return Ok(true);
    }
    stored.accepted.retain(|accepted| now < accepted.until);
    stored.accepted.push(AcceptedRefreshKey { key: key.clone(), until });
    keys.replace_refresh_keys(&stored).await?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryKeys, application::init_keys::init_keys,
        domain::refresh_token::RefreshToken, ports::KeyReader,
    };
    use rialto_kernel::{AccountId, Clock, SessionId, SystemClock, UserId};

    async fn initialized() -> (MemoryKeys, Timestamp) {
        let keys = MemoryKeys::default();
        init_keys(&keys).await.unwrap();
        (keys, SystemClock.now())
    }

    async fn stored(keys: &MemoryKeys) -> RefreshKeys {
        keys.refresh_keys().await.unwrap().unwrap()
    }

    /// A token that a function issues with the keys that it has read.
    fn token(keys: &RefreshKeys) -> RefreshToken {
        let account = AccountId::User(UserId::derive(&[b"u"]));
        RefreshToken::issue(&keys.current, account, SessionId::derive(&[b"1"]), 1)
    }

    fn accepts(keys: &RefreshKeys, token: &RefreshToken, now: Timestamp) -> bool {
        RefreshToken::verify(keys, token.as_str(), now).is_some()
    }

    #[tokio::test]
    async fn tokens_are_accepted_throughout_a_rotation() {
        let (keys, now) = initialized().await;
        let before = stored(&keys).await;
        let next = accept_next_key(&keys, now).await.unwrap();
        ensure_accepted(&keys, &next, now, async || {}).await.unwrap();
        let prepared = stored(&keys).await;
        let until = activate_next_key(&keys, &next, now).await.unwrap();
        confirm_activation(&keys, &next, now, async || {}).await.unwrap();
        let after = stored(&keys).await;
        assert_eq!((&before.current, &after.current), (&prepared.current, &next));
        // Functions read the keys at different times.
        for (reader, issuer) in [(&prepared, &after), (&after, &prepared), (&after, &before)] {
            assert!(accepts(reader, &token(issuer), now));
        }
        let last_issued = now.plus(PROPAGATION_DELAY);
        assert!(last_issued.plus(SESSION_LIFETIME) < until);
        assert!(!accepts(&after, &token(&before), until));
        assert_eq!(after.accepted.len(), 1);
    }

    #[tokio::test]
    async fn a_key_that_is_not_accepted_is_not_activated() {
        let (keys, now) = initialized().await;
        let before = stored(&keys).await;
        let next = accept_next_key(&keys, now).await.unwrap();
        keys.replace_refresh_keys(&before).await.unwrap();
        let refused = activate_next_key(&keys, &next, now).await;
        assert!(matches!(refused, Err(RotateRefreshKeyError::Superseded)));
        assert_eq!(stored(&keys).await, before);
        ensure_accepted(&keys, &next, now, async || {}).await.unwrap();
        activate_next_key(&keys, &next, now).await.unwrap();
        assert_eq!(stored(&keys).await.current, next);
    }

    #[tokio::test]
    async fn an_overwritten_activation_stays_accepted() {
        let (keys, now) = initialized().await;
        let before = stored(&keys).await;
        let next = accept_next_key(&keys, now).await.unwrap();
        activate_next_key(&keys, &next, now).await.unwrap();
        let issued = token(&stored(&keys).await);
        keys.replace_refresh_keys(&before).await.unwrap();
        confirm_activation(&keys, &next, now, async || {}).await.unwrap();
        let late = now.plus(SESSION_LIFETIME);
        assert!(accepts(&stored(&keys).await, &issued, late));
    }

    #[tokio::test]
    async fn expired_keys_are_removed_by_the_next_rotation() {
        let (keys, now) = initialized().await;
        let rotate = async |now| {
            let next = accept_next_key(&keys, now).await.unwrap();
            activate_next_key(&keys, &next, now).await.unwrap()
        };
        let until = rotate(now).await;
        rotate(now.plus(Duration::from_secs(60))).await;
        assert_eq!(stored(&keys).await.accepted.len(), 2);
        rotate(until).await;
        assert_eq!(stored(&keys).await.accepted.len(), 2);
    }

    #[tokio::test]
    async fn revoking_refuses_every_issued_token() {
        let (keys, now) = initialized().await;
        let before = stored(&keys).await;
        let next = accept_next_key(&keys, now).await.unwrap();
        revoke_keys(&keys).await.unwrap();
        let after = stored(&keys).await;
        assert!(!accepts(&after, &token(&before), now));
        assert!(!after.contains(&next, now));
        let none = revoke_keys(&MemoryKeys::default()).await;
        assert!(matches!(none, Err(RotateRefreshKeyError::NoKey)));
    }
}
