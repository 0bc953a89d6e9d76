//! Rotation of the key of refresh tokens, so that no session ends. First the next key is accepted;
//! once every function has read it, it issues tokens. The previous key is accepted for as long as
//! its last token may be valid.
//!
//! The keys are one secret, which can't be written conditionally: a concurrent rotation may undo a
//! change by writing what it read before. So each change is read again after
//! [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME). A key that was activated and a
//! revocation are written again until they persist. A rotation whose key was removed ends, because
//! every key may have been revoked.

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
    /// The new key isn't accepted any more: a concurrent rotation or revocation replaced the keys.
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
    let mut stored = current(keys).await?;
    stored.accept(&next, now.plus(PREPARATION), now);
    keys.replace_refresh_keys(&stored).await?;
    Ok(next)
}

/// Checks after `pause` that a next key is still accepted. `pause` has to last for
/// [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME): writers that read the keys
/// without it have written by then.
///
/// # Errors
/// [`RotateRefreshKeyError`]. The current key still issues tokens.
pub async fn ensure_accepted(
    keys: &impl RefreshKeyWriter,
    next: &RefreshKey,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<(), RotateRefreshKeyError> {
    pause().await;
    check_accepted(&current(keys).await?, next, now)
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
    check_accepted(&stored, next, now)?;
    let until = previous_key_end(now);
    let mut accepted = stored.accepted;
    accepted.retain(|accepted| accepted.key != *next && now < accepted.until);
    if stored.current != *next {
        accepted.push(AcceptedRefreshKey { key: stored.current, until });
    }
    keys.replace_refresh_keys(&RefreshKeys { current: next.clone(), accepted }).await?;
    Ok(until)
}

/// Accepts the tokens of a key that was activated for as long as they are valid, again while
/// concurrent rotations undo it: they may write that the key is only being prepared. Each `pause`
/// has to last for [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME).
///
/// # Errors
/// [`RotateRefreshKeyError`]. Safe to retry, unless it is [`RotateRefreshKeyError::Superseded`]:
/// then every key was revoked.
pub async fn confirm_activation(
    keys: &impl RefreshKeyWriter,
    activated: &RefreshKey,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<(), RotateRefreshKeyError> {
    let until = previous_key_end(now);
    retry_until_stable(pause, async || {
        let mut stored = current(keys).await?;
        check_accepted(&stored, activated, now)?;
        if stored.accepts_until(activated, until) {
            return Ok(((), true));
        }
        stored.accept(activated, until, now);
        keys.replace_refresh_keys(&stored).await?;
        Ok(((), false))
    })
    .await
}

/// A revocation: the new key, and the keys that it replaced.
#[derive(Debug)]
pub struct Revocation {
    key: RefreshKey,
    revoked: Vec<RefreshKey>,
}

/// Replaces every key at once, for when one has leaked: every session has to log in again.
///
/// # Errors
/// [`RotateRefreshKeyError`]. It isn't known which keys are accepted.
pub async fn revoke_keys(
    keys: &impl RefreshKeyWriter,
) -> Result<Revocation, RotateRefreshKeyError> {
    let stored = current(keys).await?;
    let key = RefreshKey::generate()?;
    keys.replace_refresh_keys(&key.clone().into()).await?;
    Ok(Revocation { key, revoked: stored.keys().cloned().collect() })
}

/// Replaces the keys again while concurrent rotations bring back a revoked one. Each `pause` has to
/// last for [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME). A rotation writes every
/// valid key that it read, so a key that it added is found with a revoked one. Keys of a later
/// rotation or revocation stay.
///
/// # Errors
/// [`RotateRefreshKeyError`]. A revoked key may be accepted.
pub async fn confirm_revocation(
    keys: &impl RefreshKeyWriter,
    revocation: &Revocation,
    pause: impl AsyncFn(),
) -> Result<(), RotateRefreshKeyError> {
    retry_until_stable(pause, async || {
        let stored = current(keys).await?;
        let confirmed = !stored.keys().any(|key| revocation.revoked.contains(key));
        if !confirmed {
            keys.replace_refresh_keys(&revocation.key.clone().into()).await?;
        }
        Ok(((), confirmed))
    })
    .await
}

/// The end of a key that was replaced at `now`: functions use it until they reload the secret, and
/// the last token that they issue is valid for its whole lifetime.
fn previous_key_end(now: Timestamp) -> Timestamp {
    now.plus(SESSION_LIFETIME + PROPAGATION_DELAY + OVERLAP)
}

async fn current(keys: &impl RefreshKeyWriter) -> Result<RefreshKeys, RotateRefreshKeyError> {
    keys.current_refresh_keys().await?.ok_or(RotateRefreshKeyError::NoKey)
}

fn check_accepted(
    stored: &RefreshKeys,
    key: &RefreshKey,
    now: Timestamp,
) -> Result<(), RotateRefreshKeyError> {
    if stored.contains(key, now) { Ok(()) } else { Err(RotateRefreshKeyError::Superseded) }
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
        let refused = ensure_accepted(&keys, &next, now, async || {}).await;
        assert!(matches!(refused, Err(RotateRefreshKeyError::Superseded)));
        assert_eq!(stored(&keys).await, before);
    }

    #[tokio::test]
    async fn an_overwritten_activation_stays_accepted() {
        let (keys, now) = initialized().await;
        let next = accept_next_key(&keys, now).await.unwrap();
        let prepared = stored(&keys).await;
        activate_next_key(&keys, &next, now).await.unwrap();
        let issued = token(&stored(&keys).await);
        keys.replace_refresh_keys(&prepared).await.unwrap();
        confirm_activation(&keys, &next, now, async || {}).await.unwrap();
        let late = now.plus(SESSION_LIFETIME);
        assert!(accepts(&stored(&keys).await, &issued, late));
        assert_eq!(stored(&keys).await.accepted.len(), 1);
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

    #[tokio::test]
    async fn an_overwritten_revocation_is_repeated() {
        let (keys, now) = initialized().await;
        let next = accept_next_key(&keys, now).await.unwrap();
        let prepared = stored(&keys).await;
        let revocation = revoke_keys(&keys).await.unwrap();
        let revoked = stored(&keys).await;
        // A rotation that read the keys before the revocation prepares or activates its key.
        let late = MemoryKeys::default();
        init_keys(&late).await.unwrap();
        late.replace_refresh_keys(&prepared).await.unwrap();
        activate_next_key(&late, &next, now).await.unwrap();
        for undone in [prepared, stored(&late).await] {
            keys.replace_refresh_keys(&undone).await.unwrap();
            confirm_revocation(&keys, &revocation, async || {}).await.unwrap();
            assert_eq!(stored(&keys).await, revoked);
        }
    }

    #[tokio::test]
    async fn a_rotation_gives_up_when_its_key_is_revoked() {
        let (keys, now) = initialized().await;
        let next = accept_next_key(&keys, now).await.unwrap();
        let activated = accept_next_key(&keys, now).await.unwrap();
        activate_next_key(&keys, &activated, now).await.unwrap();
        revoke_keys(&keys).await.unwrap();
        let revoked = stored(&keys).await;
        for refused in [
            ensure_accepted(&keys, &next, now, async || {}).await,
            activate_next_key(&keys, &next, now).await.map(drop),
            confirm_activation(&keys, &activated, now, async || {}).await,
        ] {
            assert!(matches!(refused, Err(RotateRefreshKeyError::Superseded)), "{refused:?}");
        }
        assert_eq!(stored(&keys).await, revoked);
    }

    #[tokio::test]
    async fn confirming_a_revocation_keeps_later_keys() {
        let (keys, now) = initialized().await;
        let first = revoke_keys(&keys).await.unwrap();
        let second = revoke_keys(&keys).await.unwrap();
        let next = accept_next_key(&keys, now).await.unwrap();
        let later = stored(&keys).await;
        for revocation in [&first, &second] {
            confirm_revocation(&keys, revocation, async || {}).await.unwrap();
        }
        assert_eq!(stored(&keys).await, later);
        assert!(later.contains(&next, now));
    }
}
