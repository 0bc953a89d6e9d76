//! A role's key is replaced in two steps, so that no token is refused on the way: first the new public key is published, and
//! when every function has seen it, the new private key signs. The old public key stays for as long as it may have signed a
//! token that is still good, and is worth nothing from then on, whether anybody takes it away or not.
//!
//! Keys may be replaced at the same moment, of several roles or of one. Then a change of what is published may get lost, until
//! [`WRITTEN_WITHIN`](super::publish_keys::WRITTEN_WITHIN) is over: what is published still after such a pause stays so. Which
//! key signs the secret tells, and it alone: of a role's other keys each gets its end.

use super::{
    init_keys::new_signing_key,
    publish_keys::{retry_until_stable, update_jwks, with_public_key, with_signing_keys},
};
use crate::{domain::signing_key::SigningSecret, ports::KeyWriter};
use rialto_kernel::{Role, StoreError, Timestamp};
use rialto_lambda::token::{ACCESS_SECONDS, Jwk, Jwks, KeyError};
use std::time::Duration;

/// Within this time everybody has read settings, secrets and `/.well-known/jwks.json` anew.
pub const PROPAGATION_DELAY: Duration = Duration::from_secs(65);

/// How long a key verifies after another signs in its place: functions may sign with it until they read the secret anew, and
/// what they sign last is good for as long as every token.
pub const OVERLAP: Duration = Duration::from_secs(ACCESS_SECONDS.unsigned_abs() + 5 * 60);

/// Why a role's key is as it was, or only half replaced: another rotation makes good what is left.
#[derive(Debug, thiserror::Error)]
pub enum RotateKeysError {
    #[error("{0} accounts have no signing key yet")]
    NoKey(Role),
    /// Nothing signs with it.
    #[error("the next key of {0} accounts isn't published any more: another was chosen meanwhile")]
    Superseded(Role),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key that is published and doesn't sign yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextKey {
    pub role: Role,
    secret: SigningSecret,
    public: Jwk,
}

/// What was replaced by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// The key that signs.
    pub kid: String,
    /// Those that verify no longer than until then.
    pub retiring: Vec<String>,
    pub until: Timestamp,
}

/// Makes a role's next key and publishes its public half. Keys whose time is over are taken away.
///
/// # Errors
/// [`RotateKeysError`]; nothing signs with the new key then.
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

/// Publishes a next key again as long as others who publish at the same moment leave it out. Each `pause` has to last for
/// [`WRITTEN_WITHIN`](super::publish_keys::WRITTEN_WITHIN).
///
/// # Errors
/// [`RotateKeysError`]; nothing signs with the new key then.
pub async fn ensure_published(
    keys: &impl KeyWriter,
    next: &NextKey,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<(), RotateKeysError> {
    retry_until_stable(pause, async || Ok(((), publish(keys, next, now).await?))).await
}

/// Whether it was published already.
async fn publish(
    keys: &impl KeyWriter,
    next: &NextKey,
    now: Timestamp,
) -> Result<bool, RotateKeysError> {
    let with_next = async |published: &Jwks| -> Result<Jwks, RotateKeysError> {
        let mut wanted = with_public_key(
            &with_signing_keys::<RotateKeysError>(keys, published).await?,
            &next.public,
        );
        wanted.keys.retain(|key| key.retires_at.is_none_or(|end| now.seconds() < end));
        Ok(wanted)
    };
    Ok(update_jwks(keys, with_next).await?.found)
}

/// Has a role's tokens signed with a key that every function has seen; the others of the role retire.
///
/// # Errors
/// [`RotateKeysError`]; which key signs isn't known then, unless it is [`RotateKeysError::Superseded`].
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

/// Has every key of a role retire but the one that signs, again as long as others who publish at the same moment undo it. Those
/// that retire already keep their end. Each `pause` has to last for [`WRITTEN_WITHIN`](super::publish_keys::WRITTEN_WITHIN).
///
/// # Errors
/// [`RotateKeysError`]; do it again.
pub async fn retire_previous(
    keys: &impl KeyWriter,
    role: Role,
    now: Timestamp,
    pause: impl AsyncFn(),
) -> Result<KeyRotation, RotateKeysError> {
    retry_until_stable(pause, async || retire(keys, role, now).await).await
}

/// What retires, and whether it did already.
async fn retire(
    keys: &impl KeyWriter,
    role: Role,
    now: Timestamp,
) -> Result<(KeyRotation, bool), RotateKeysError> {
    let retired = async |published: &Jwks| -> Result<Jwks, RotateKeysError> {
        let mut wanted = with_signing_keys::<RotateKeysError>(keys, published).await?;
        let signing =
            keys.current_signing_key(role).await?.ok_or(RotateKeysError::NoKey(role))?.kid;
        for key in wanted.keys.iter_mut().filter(|key| key.role == role && key.kid != signing) {
            key.retires_at.get_or_insert(now.plus(OVERLAP).seconds());
        }
        Ok(wanted)
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
    Ok((rotated, published.found))
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

    async fn token(keys: &MemoryKeys, now: Timestamp) -> String {
        let seller = AccountId::Seller(SellerId::derive(&[b"s"]));
        let stage = Stage::parse("test").unwrap();
        access_token(keys, &stage, seller, SessionId::derive(&[b"1"]), now).await.unwrap()
    }

    async fn verified(keys: &MemoryKeys, token: &str, now: Timestamp) -> Result<Role, TokenError> {
        let published = keys.published().await.unwrap();
        published.verify(&Stage::parse("test").unwrap(), token, now).map(|claims| claims.role)
    }

    #[tokio::test]
    async fn at_every_moment_of_a_rotation_every_token_verifies() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
        let old = token(&keys, now).await;
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        assert_eq!(verified(&keys, &old, now).await, Ok(Role::Seller));
        let rotated = activate(&keys, next, now).await.unwrap();
        let new = token(&keys, now).await;
        assert_ne!(old.split('.').next(), new.split('.').next(), "another kid");
        for token in [&old, &new] {
            assert_eq!(verified(&keys, token, now).await, Ok(Role::Seller));
        }
        // A function that hasn't seen the new secret signs with the old key for a while.
        let last = now.plus(PROPAGATION_DELAY);
        assert!(last.seconds() + ACCESS_SECONDS < rotated.until.seconds());
        assert_eq!(rotated.retiring.len(), 1);
    }

    #[tokio::test]
    async fn the_old_key_is_worth_nothing_when_its_time_is_over() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
        let retired = {
            let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
            activate(&keys, next, now).await.unwrap().retiring.remove(0)
        };
        let kids = async || -> Vec<String> {
            keys.published().await.unwrap().keys.into_iter().map(|key| key.kid).collect()
        };
        assert_eq!(kids().await.len(), 4);
        let over = now.plus(OVERLAP);
        let shown = keys.published().await.unwrap().at(over);
        assert!(shown.keys.iter().all(|key| key.kid != retired));
        // The next rotation takes it away.
        publish_next_key(&keys, Role::User, over).await.unwrap();
        assert!(!kids().await.contains(&retired));
    }

    #[tokio::test]
    async fn a_rotation_that_was_cut_off_is_made_good_by_the_next() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
        let lost = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let rotated = activate(&keys, next, now).await.unwrap();
        assert_eq!(rotated.retiring.len(), 2);
        assert!(rotated.retiring.contains(&lost.public.kid));
        let others = keys.published().await.unwrap();
        let staying = others.keys.iter().filter(|key| key.retires_at.is_none()).count();
        assert_eq!(staying, 3, "one a role");
    }

    /// Somebody else, who read before each publication and writes what they read after it, as often as told.
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
            let again = self.1.lock().unwrap().checked_sub(1);
            if let Some(left) = again {
                *self.1.lock().unwrap() = left;
                self.0.publish(&before).await?;
            }
            Ok(())
        }
    }

    /// How many keys of a role are published, and how many of them have no end.
    async fn of_role(keys: &MemoryKeys, role: Role) -> (usize, usize) {
        let published = keys.published().await.unwrap().keys;
        let of_role = || published.iter().filter(|key| key.role == role);
        (of_role().count(), of_role().filter(|key| key.retires_at.is_none()).count())
    }

    #[tokio::test]
    async fn what_others_leave_out_at_the_same_moment_is_published_again() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
        let crowded = |times: u32| ConcurrentWriterKeys(keys.clone(), times.into());
        let next = publish_next_key(&crowded(2), Role::Seller, now).await.unwrap();
        assert_eq!(of_role(&keys, Role::Seller).await, (2, 2));
        activate(&crowded(2), next, now).await.unwrap();
        assert_eq!(of_role(&keys, Role::Seller).await, (2, 1), "the old key has its end");
        let given_up = publish_next_key(&crowded(u32::MAX), Role::Seller, now).await;
        assert!(matches!(given_up, Err(RotateKeysError::Store(StoreError::Unavailable(_)))));
    }

    #[tokio::test]
    async fn a_key_that_is_not_published_any_more_does_not_sign() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
        let before = keys.published().await.unwrap();
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        keys.publish(&before).await.unwrap();
        let refused = activate(&keys, next.clone(), now).await;
        assert!(matches!(refused, Err(RotateKeysError::Superseded(Role::Seller))), "{refused:?}");
        let signed = token(&keys, now).await;
        assert_eq!(verified(&keys, &signed, now).await, Ok(Role::Seller));

        ensure_published(&keys, &next, now, async || {}).await.unwrap();
        assert_eq!(activate(&keys, next.clone(), now).await.unwrap().kid, next.public.kid);
    }

    /// A command that stood still for longer than any request takes, then wrote what it had read.
    #[tokio::test]
    async fn whoever_publishes_puts_the_keys_that_sign_back_whosever_they_are() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
        let before = keys.published().await.unwrap();
        let next = publish_next_key(&keys, Role::User, now).await.unwrap();
        activate(&keys, next, now).await.unwrap();
        for made_good in [0, 1] {
            keys.publish(&before).await.unwrap();
            match made_good {
                0 => drop(publish_next_key(&keys, Role::Seller, now).await.unwrap()),
                _ => drop(retire_previous(&keys, Role::Seller, now, async || {}).await.unwrap()),
            }
            let published = keys.published().await.unwrap().keys;
            let signs = keys.signing_key(Role::User).await.unwrap().unwrap().kid;
            assert!(published.iter().any(|key| key.kid == signs && key.retires_at.is_none()));
        }
    }

    #[tokio::test]
    async fn an_end_that_was_lost_later_is_given_again_and_one_that_is_there_stays() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
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
    async fn of_two_rotations_of_one_role_the_later_is_refused_and_the_role_goes_on() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        init_keys(&keys).await.unwrap();
        let one = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let other = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        activate(&keys, one, now).await.unwrap();
        let refused = activate(&keys, other, now).await;
        assert!(matches!(refused, Err(RotateKeysError::Superseded(Role::Seller))), "{refused:?}");
        let signed = token(&keys, now).await;
        let over = now.plus(OVERLAP);
        assert_eq!(verified(&keys, &signed, now).await, Ok(Role::Seller));
        let last = keys.published().await.unwrap().at(over);
        assert_eq!(last.keys.iter().filter(|key| key.role == Role::Seller).count(), 1);
    }

    /// Lets others go first before each request, as chance has it; and sees that whoever signs is published, whenever
    /// anything changes.
    struct RandomlyInterleavedKeys<'a>(&'a MemoryKeys, &'a Mutex<u64>);

    impl RandomlyInterleavedKeys<'_> {
        async fn wait(&self) {
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

        async fn nobody_is_locked_out(&self) {
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
            self.wait().await;
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
            self.wait().await;
            self.0.replace_signing_key(role, key).await?;
            self.nobody_is_locked_out().await;
            Ok(())
        }
        async fn add_refresh_key(&self, key: &RefreshKey) -> Result<Write, StoreError> {
            self.0.add_refresh_key(key).await
        }
        async fn published(&self) -> Result<Jwks, StoreError> {
            self.wait().await;
            self.0.published().await
        }
        async fn publish(&self, keys: &Jwks) -> Result<(), StoreError> {
            self.wait().await;
            self.0.publish(keys).await?;
            self.nobody_is_locked_out().await;
            Ok(())
        }
    }

    /// Longer than any request.
    async fn pause() {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }

    /// As the command does it.
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
    async fn however_rotations_interleave_each_role_has_one_key_without_an_end_and_it_signs() {
        for seed in 0..100 {
            let (held, random, now) = (MemoryKeys::default(), Mutex::new(seed), SystemClock.now());
            init_keys(&held).await.unwrap();
            let (before, keys) =
                (held.published().await.unwrap(), RandomlyInterleavedKeys(&held, &random));
            let roles = [Role::User, Role::Seller, Role::Seller, Role::Supervisor];
            let rotated = join_all(roles.map(|role| rotate(&keys, role, now))).await;
            assert!(rotated[0].is_ok() && rotated[3].is_ok(), "{seed}: {rotated:?}");
            assert!(rotated[1].is_ok() || rotated[2].is_ok(), "{seed}: {rotated:?}");
            let published = held.published().await.unwrap().keys;
            for role in Role::ALL {
                let signs = held.signing_key(role).await.unwrap().unwrap().kid;
                assert!(before.keys.iter().all(|key| key.kid != signs), "{seed}: {role}");
                let endless =
                    published.iter().filter(|key| key.role == role && key.retires_at.is_none());
                assert_eq!(
                    endless.map(|key| &key.kid).collect::<Vec<_>>(),
                    [&signs],
                    "{seed}: {role}"
                );
            }
        }
    }

    #[tokio::test]
    async fn without_a_first_key_there_is_nothing_to_replace() {
        let refused = publish_next_key(&MemoryKeys::default(), Role::User, SystemClock.now()).await;
        assert!(matches!(refused, Err(RotateKeysError::NoKey(Role::User))));
    }
}
