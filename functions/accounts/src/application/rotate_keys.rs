//! Rotation of a role's signing key in two steps, so that no token is rejected meanwhile. First the
//! new public key is published; once every function has read it, the new private key signs. The old
//! public key stays published for as long as tokens that it verifies may be valid, and is ignored
//! from then on.
//!
//! Rotations may run concurrently, of several roles or of one. A change of the published keys can
//! then be lost until [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME) is over; what
//! is still published after such a pause is permanent. The secret alone decides which key signs; a
//! role's other keys retire.

use super::{
    init_keys::new_signing_key,
    publish_keys::{retry_until_stable, update_jwks, with_public_key, with_signing_keys},
};
use crate::{domain::signing_key::SigningSecret, ports::KeyWriter};
use rialto_kernel::{Role, StoreError, Timestamp};
use rialto_lambda::token::{ACCESS_SECONDS, Jwk, Jwks, KeyError};
use std::time::Duration;

/// The time after which every function and client has reloaded settings, secrets and
/// `/.well-known/jwks.json`.
pub const PROPAGATION_DELAY: Duration = Duration::from_secs(65);

/// The time for which a replaced key stays valid: functions sign with it until they reload the
/// secret, and the last token that they sign is valid for its whole lifetime.
pub const OVERLAP: Duration = Duration::from_secs(ACCESS_SECONDS.unsigned_abs() + 5 * 60);

/// Errors of a rotation. The key is unchanged or half replaced; another rotation completes it.
#[derive(Debug, thiserror::Error)]
pub enum RotateKeysError {
    #[error("no signing key for {0} accounts")]
    NoKey(Role),
    /// The new key isn't published any more and won't sign.
    #[error("rotation for {0} superseded by a concurrent one")]
    Superseded(Role),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key that is published but doesn't sign yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextKey {
    pub role: Role,
    secret: SigningSecret,
    public: Jwk,
}

/// The outcome of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// The id of the key that signs.
    pub kid: String,
    /// The ids of the keys that are valid until `until` at most.
    pub retiring: Vec<String>,
    pub until: Timestamp,
}

/// Generates a role's next key and publishes its public half. Removes retired keys.
///
/// # Errors
/// [`RotateKeysError`]. The new key doesn't sign.
pub async fn publish_next_key(
    keys: &impl KeyWriter,
    role: Role,
    now: Timestamp,
) -> Result<NextKey, RotateKeysError> {
    keys.current_signing_key(role).await?.ok_or(RotateKeysError::NoKey(role))?;
    let (secret, public) = new_signing_key(role)?;
    let next = NextKey { role, secret, public };
    publish(keys, &next, now).await?;
    Ok(next)
}

/// Publishes a next key again while concurrent writers overwrite it. Each `pause` has to last for
/// [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME).
///
/// # Errors
/// [`RotateKeysError`]. The new key doesn't sign.
pub async fn ensure_published(
    keys: &impl KeyWriter,
    next: &NextKey,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<(), RotateKeysError> {
    retry_until_stable(pause, async || Ok(((), publish(keys, next, now).await?))).await
}

/// Publishes a next key, and returns whether it was published before.
async fn publish(
    keys: &impl KeyWriter,
    next: &NextKey,
    now: Timestamp,
) -> Result<bool, RotateKeysError> {
    let with_next = async |published: &Jwks| -> Result<Jwks, RotateKeysError> {
        let current = with_signing_keys::<RotateKeysError>(keys, published).await?;
        let mut changed = with_public_key(&current, &next.public);
        changed.keys.retain(|key| key.retires_at.is_none_or(|end| now.seconds() < end));
        Ok(changed)
    };
    Ok(update_jwks(keys, with_next).await?.unchanged)
}

/// Makes a published key the one that signs a role's tokens, and retires the role's other keys.
/// Every function has to have read the published keys.
///
/// # Errors
/// [`RotateKeysError`]. Unless it is [`RotateKeysError::Superseded`], it isn't known which key
/// signs.
pub async fn activate(
    keys: &impl KeyWriter,
    next: NextKey,
    now: Timestamp,
) -> Result<KeyRotation, RotateKeysError> {
    let NextKey { role, secret, public } = next;
    if !keys.published().await?.keys.contains(&public) {
        return Err(RotateKeysError::Superseded(role));
    }
    keys.replace_signing_key(role, &secret).await?;
    Ok(retire(keys, role, now).await?.0)
}

/// Retires every key of a role but the one that signs, again while concurrent writers undo it. Keys
/// that are retiring keep their time. Each `pause` has to last for
/// [`WRITE_SETTLE_TIME`](super::publish_keys::WRITE_SETTLE_TIME).
///
/// # Errors
/// [`RotateKeysError`]. Safe to retry.
pub async fn retire_previous(
    keys: &impl KeyWriter,
    role: Role,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<KeyRotation, RotateKeysError> {
    retry_until_stable(pause, async || retire(keys, role, now).await).await
}

/// Retires every key of a role but the one that signs, and returns whether they were retiring
/// before.
async fn retire(
    keys: &impl KeyWriter,
    role: Role,
    now: Timestamp,
) -> Result<(KeyRotation, bool), RotateKeysError> {
    let retired = async |published: &Jwks| -> Result<Jwks, RotateKeysError> {
        let mut changed = with_signing_keys::<RotateKeysError>(keys, published).await?;
        let signing =
            keys.current_signing_key(role).await?.ok_or(RotateKeysError::NoKey(role))?.kid;
        for key in changed.keys.iter_mut().filter(|key| key.role == role && key.kid != signing) {
            key.retires_at.get_or_insert(now.plus(OVERLAP).seconds());
        }
        Ok(changed)
    };
    let published = update_jwks(keys, retired).await?;
    let of_role = || published.keys.keys.iter().filter(|key| key.role == role);
    let kid = of_role().find(|key| key.retires_at.is_none()).map(|key| key.kid.clone());
    let retiring: Vec<_> =
        of_role().filter_map(|key| key.retires_at.map(|end| (end, key.kid.clone()))).collect();
    let until = retiring.iter().map(|(end, _)| *end).max().unwrap_or(now.seconds());
    let rotated = KeyRotation {
        kid: kid.ok_or(RotateKeysError::NoKey(role))?,
        retiring: retiring.into_iter().map(|(_, kid)| kid).collect(),
        until: Timestamp::from_millis(until * 1_000),
    };
    Ok((rotated, published.unchanged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryKeys,
        application::{
            init_keys::init_keys, issue_tokens::access_token, publish_keys::WRITE_SETTLE_TIME,
        },
        domain::refresh_token::RefreshKey,
        ports::KeyReader,
    };
    use futures_util::future::join_all;
    use rialto_aws::Stage;
    use rialto_kernel::{AccountId, Clock, SellerId, SessionId, SystemClock, Write};
    use rialto_lambda::token::TokenError;
    use std::sync::Mutex;

    /// Keys with the first of each role, and the time.
    async fn initialized() -> (MemoryKeys, Timestamp) {
        let keys = MemoryKeys::default();
        init_keys(&keys).await.unwrap();
        (keys, SystemClock.now())
    }

    async fn token(keys: &MemoryKeys, now: Timestamp) -> String {
        let seller = AccountId::Seller(SellerId::derive(&[b"s"]));
        let stage = Stage::parse("test").unwrap();
        access_token(keys, &stage, seller, SessionId::derive(&[b"1"]), now).await.unwrap()
    }

    async fn verified(keys: &MemoryKeys, token: &str, now: Timestamp) -> Result<Role, TokenError> {
        let published = keys.published().await.unwrap();
        published.verify(&Stage::parse("test").unwrap(), token, now).map(|claims| claims.role)
    }

    /// The seller's key isn't activated, and new tokens still verify.
    async fn assert_superseded(keys: &MemoryKeys, next: NextKey, now: Timestamp) {
        let refused = activate(keys, next, now).await;
        assert!(matches!(refused, Err(RotateKeysError::Superseded(Role::Seller))), "{refused:?}");
        let signed = token(keys, now).await;
        assert_eq!(verified(keys, &signed, now).await, Ok(Role::Seller));
    }

    #[tokio::test]
    async fn tokens_verify_throughout_a_rotation() {
        let (keys, now) = initialized().await;
        let old = token(&keys, now).await;
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        assert_eq!(verified(&keys, &old, now).await, Ok(Role::Seller));
        let rotated = activate(&keys, next, now).await.unwrap();
        let new = token(&keys, now).await;
        assert_ne!(old.split('.').next(), new.split('.').next(), "another kid");
        for token in [&old, &new] {
            assert_eq!(verified(&keys, token, now).await, Ok(Role::Seller));
        }
        // A function that hasn't reloaded the secret signs with the old key for a while.
        let last = now.plus(PROPAGATION_DELAY);
        assert!(last.seconds() + ACCESS_SECONDS < rotated.until.seconds());
        assert_eq!(rotated.retiring.len(), 1);
    }

    #[tokio::test]
    async fn a_retired_key_is_ignored_and_then_removed() {
        let (keys, now) = initialized().await;
        let retired = {
            let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
            activate(&keys, next, now).await.unwrap().retiring.remove(0)
        };
        let kids = async || -> Vec<String> {
            keys.published().await.unwrap().keys.into_iter().map(|key| key.kid).collect()
        };
        assert_eq!(kids().await.len(), 4);
        let over = now.plus(OVERLAP);
        let valid = keys.published().await.unwrap().at(over);
        assert!(valid.keys.iter().all(|key| key.kid != retired));
        // The next rotation removes it.
        publish_next_key(&keys, Role::User, over).await.unwrap();
        assert!(!kids().await.contains(&retired));
    }

    #[tokio::test]
    async fn an_interrupted_rotation_is_completed_by_the_next() {
        let (keys, now) = initialized().await;
        let interrupted = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let rotated = activate(&keys, next, now).await.unwrap();
        assert_eq!(rotated.retiring.len(), 2);
        assert!(rotated.retiring.contains(&interrupted.public.kid));
        let published = keys.published().await.unwrap();
        let permanent = published.keys.iter().filter(|key| key.retires_at.is_none()).count();
        assert_eq!(permanent, 3, "one a role");
    }

    /// Keys with a concurrent writer, which overwrites that many publications with what it read
    /// before them.
    struct ConcurrentWriterKeys(MemoryKeys, Mutex<u32>);

    impl KeyWriter for ConcurrentWriterKeys {
        async fn current_signing_key(
            &self,
            role: Role,
        ) -> Result<Option<SigningSecret>, StoreError> {
            self.0.current_signing_key(role).await
        }
        async fn add_signing_key(
            &self,
            role: Role,
            key: &SigningSecret,
        ) -> Result<Write, StoreError> {
            self.0.add_signing_key(role, key).await
        }
        async fn replace_signing_key(
            &self,
            role: Role,
            key: &SigningSecret,
        ) -> Result<(), StoreError> {
            self.0.replace_signing_key(role, key).await
        }
        async fn add_refresh_key(&self, key: &RefreshKey) -> Result<Write, StoreError> {
            self.0.add_refresh_key(key).await
        }
        async fn published(&self) -> Result<Jwks, StoreError> {
            self.0.published().await
        }
        async fn publish(&self, keys: &Jwks) -> Result<(), StoreError> {
            let before = self.0.published().await?;
            self.0.publish(keys).await?;
            let remaining = self.1.lock().unwrap().checked_sub(1);
            if let Some(remaining) = remaining {
                *self.1.lock().unwrap() = remaining;
                self.0.publish(&before).await?;
            }
            Ok(())
        }
    }

    /// The number of a role's published keys, and of those among them that don't retire.
    async fn of_role(keys: &MemoryKeys, role: Role) -> (usize, usize) {
        let published = keys.published().await.unwrap().keys;
        let of_role = || published.iter().filter(|key| key.role == role);
        (of_role().count(), of_role().filter(|key| key.retires_at.is_none()).count())
    }

    #[tokio::test]
    async fn keys_overwritten_by_a_concurrent_writer_are_republished() {
        let (keys, now) = initialized().await;
        let contended = |times: u32| ConcurrentWriterKeys(keys.clone(), times.into());
        let next = publish_next_key(&contended(2), Role::Seller, now).await.unwrap();
        assert_eq!(of_role(&keys, Role::Seller).await, (2, 2));
        activate(&contended(2), next, now).await.unwrap();
        assert_eq!(of_role(&keys, Role::Seller).await, (2, 1), "the old key retires");
        let given_up = publish_next_key(&contended(u32::MAX), Role::Seller, now).await;
        assert!(matches!(given_up, Err(RotateKeysError::Store(StoreError::Contended))));
    }

    #[tokio::test]
    async fn a_key_that_was_unpublished_is_not_activated() {
        let (keys, now) = initialized().await;
        let before = keys.published().await.unwrap();
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        keys.publish(&before).await.unwrap();
        assert_superseded(&keys, next.clone(), now).await;

        ensure_published(&keys, &next, now, async || {}).await.unwrap();
        assert_eq!(activate(&keys, next.clone(), now).await.unwrap().kid, next.public.kid);
    }

    /// Overwrites the published keys as a command would that was suspended for long between its
    /// read and its write.
    #[tokio::test]
    async fn publishing_restores_every_roles_signing_key() {
        let (keys, now) = initialized().await;
        let before = keys.published().await.unwrap();
        let next = publish_next_key(&keys, Role::User, now).await.unwrap();
        activate(&keys, next, now).await.unwrap();
        for restored_by in [0, 1] {
            keys.publish(&before).await.unwrap();
            match restored_by {
                0 => drop(publish_next_key(&keys, Role::Seller, now).await.unwrap()),
                _ => drop(retire_previous(&keys, Role::Seller, now, async || {}).await.unwrap()),
            }
            let published = keys.published().await.unwrap().keys;
            let signs = keys.signing_key(Role::User).await.unwrap().unwrap().kid;
            assert!(published.iter().any(|key| key.kid == signs && key.retires_at.is_none()));
        }
    }

    #[tokio::test]
    async fn a_lost_retirement_is_repeated_with_its_time_kept() {
        let (keys, now) = initialized().await;
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let before = keys.published().await.unwrap();
        let rotated = activate(&keys, next, now).await.unwrap();
        let later = now.plus(WRITE_SETTLE_TIME);
        assert_eq!(
            retire_previous(&keys, Role::Seller, later, async || {}).await.unwrap(),
            rotated
        );
        keys.publish(&before).await.unwrap();
        let again = retire_previous(&keys, Role::Seller, later, async || {}).await.unwrap();
        assert_eq!((again.kid, again.retiring), (rotated.kid, rotated.retiring));
        assert_eq!(of_role(&keys, Role::Seller).await, (2, 1));
    }

    #[tokio::test]
    async fn the_later_of_two_rotations_of_a_role_is_superseded() {
        let (keys, now) = initialized().await;
        let one = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let other = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        activate(&keys, one, now).await.unwrap();
        assert_superseded(&keys, other, now).await;
        let last = keys.published().await.unwrap().at(now.plus(OVERLAP));
        assert_eq!(last.keys.iter().filter(|key| key.role == Role::Seller).count(), 1);
    }

    /// Keys whose requests yield to other tasks a random number of times, and which check after
    /// every change that each signing key is published.
    struct RandomlyInterleavedKeys<'a>(&'a MemoryKeys, &'a Mutex<u64>);

    impl RandomlyInterleavedKeys<'_> {
        async fn yield_randomly(&self) {
            let turns = {
                let mut state = self.1.lock().unwrap();
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *state >> 62
            };
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        }

        async fn assert_signing_keys_are_published(&self) {
            let published = self.0.published().await.unwrap();
            for role in Role::ALL {
                let signing = self.0.signing_key(role).await.unwrap().unwrap();
                assert!(published.keys.iter().any(|key| key.kid == signing.kid), "{role}");
            }
        }
    }

    impl KeyWriter for RandomlyInterleavedKeys<'_> {
        async fn current_signing_key(
            &self,
            role: Role,
        ) -> Result<Option<SigningSecret>, StoreError> {
            self.yield_randomly().await;
            self.0.current_signing_key(role).await
        }
        async fn add_signing_key(
            &self,
            role: Role,
            key: &SigningSecret,
        ) -> Result<Write, StoreError> {
            self.0.add_signing_key(role, key).await
        }
        async fn replace_signing_key(
            &self,
            role: Role,
            key: &SigningSecret,
        ) -> Result<(), StoreError> {
            self.yield_randomly().await;
            self.0.replace_signing_key(role, key).await?;
            self.assert_signing_keys_are_published().await;
            Ok(())
        }
        async fn add_refresh_key(&self, key: &RefreshKey) -> Result<Write, StoreError> {
            self.0.add_refresh_key(key).await
        }
        async fn published(&self) -> Result<Jwks, StoreError> {
            self.yield_randomly().await;
            self.0.published().await
        }
        async fn publish(&self, keys: &Jwks) -> Result<(), StoreError> {
            self.yield_randomly().await;
            self.0.publish(keys).await?;
            self.assert_signing_keys_are_published().await;
            Ok(())
        }
    }

    /// A pause that is longer than any request.
    async fn pause() {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }

    /// A whole rotation, as the command does it.
    async fn rotate(
        keys: &RandomlyInterleavedKeys<'_>,
        role: Role,
        now: Timestamp,
    ) -> Result<KeyRotation, RotateKeysError> {
        let next = publish_next_key(keys, role, now).await?;
        ensure_published(keys, &next, now, pause).await?;
        pause().await;
        activate(keys, next, now).await?;
        retire_previous(keys, role, now, pause).await
    }

    #[tokio::test]
    async fn interleaved_rotations_leave_one_permanent_key_per_role() {
        for seed in 0..100 {
            let (stored, random, now) =
                (MemoryKeys::default(), Mutex::new(seed), SystemClock.now());
            init_keys(&stored).await.unwrap();
            let (before, keys) =
                (stored.published().await.unwrap(), RandomlyInterleavedKeys(&stored, &random));
            let roles = [Role::User, Role::Seller, Role::Seller, Role::Supervisor];
            let rotated = join_all(roles.map(|role| rotate(&keys, role, now))).await;
            assert!(rotated[0].is_ok() && rotated[3].is_ok(), "{seed}: {rotated:?}");
            assert!(rotated[1].is_ok() || rotated[2].is_ok(), "{seed}: {rotated:?}");
            let published = stored.published().await.unwrap().keys;
            for role in Role::ALL {
                let signs = stored.signing_key(role).await.unwrap().unwrap().kid;
                assert!(before.keys.iter().all(|key| key.kid != signs), "{seed}: {role}");
                let permanent =
                    published.iter().filter(|key| key.role == role && key.retires_at.is_none());
                assert_eq!(
                    permanent.map(|key| &key.kid).collect::<Vec<_>>(),
                    [&signs],
                    "{seed}: {role}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_rotation_without_a_first_key_fails() {
        let refused = publish_next_key(&MemoryKeys::default(), Role::User, SystemClock.now()).await;
        assert!(matches!(refused, Err(RotateKeysError::NoKey(Role::User))));
    }
}
