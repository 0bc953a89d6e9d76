//! A role's key is replaced in two steps, so that no token is refused on the way: first the new public key is published, and
//! when every function has seen it, the new private key signs. The old public key stays for as long as it may have signed a
//! token that is still good, and is worth nothing from then on, whether anybody takes it away or not.

use super::prepare_keys::new_signing_key;
use crate::{
    domain::signing_key::SigningSecret,
    ports::{KeyReader, KeyWriter},
};
use rialto_kernel::{Role, StoreError, Timestamp};
use rialto_lambda::token::{self, ACCESS_SECONDS, Jwk, KeyError};
use std::time::Duration;

/// Within this time every function has read the settings and secrets anew.
pub const SEEN_WITHIN: Duration = Duration::from_secs(65);

/// How long a key verifies after another signs in its place: functions may sign with it until they read the secret anew, and
/// what they sign last is good for as long as every token.
pub const OVERLAP: Duration = Duration::from_secs(ACCESS_SECONDS.unsigned_abs() + 5 * 60);

/// Why a role's key is as it was, or only half replaced: another rotation makes good what is left.
#[derive(Debug, thiserror::Error)]
pub enum RotateKeysError {
    #[error("{0} accounts have no signing key yet")]
    NoKey(Role),
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
}

/// What was replaced by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
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
    keys: &(impl KeyReader + KeyWriter),
    role: Role,
    now: Timestamp,
) -> Result<NextKey, RotateKeysError> {
    keys.signing_key(role).await?.ok_or(RotateKeysError::NoKey(role))?;
    let mut published = keys.published().await?;
    published.keys.retain(|key| key.retires_at.is_none_or(|end| now.seconds() < end));
    let (secret, public) = new_signing_key(role)?;
    published.keys.push(public);
    keys.publish(&published).await?;
    Ok(NextKey { role, secret })
}

/// Has a role's tokens signed with a key that every function has seen; the others of the role retire.
///
/// # Errors
/// [`RotateKeysError`]; which key signs isn't known then.
pub async fn sign_with(
    keys: &(impl KeyReader + KeyWriter),
    next: NextKey,
    now: Timestamp,
) -> Result<Rotated, RotateKeysError> {
    let NextKey { role, secret } = next;
    let public = token::public_key(secret.kid.clone(), role, &secret.pkcs8)?;
    keys.replace_signing_key(role, &secret).await?;
    let until = now.plus(OVERLAP);
    let mut published = keys.published().await?;
    // Somebody who published at the same moment may have left it out.
    published.keys.retain(|key| key.kid != public.kid);
    let mut retiring = Vec::new();
    let still_good = |key: &&mut Jwk| key.role == role && key.retires_at.is_none();
    for key in published.keys.iter_mut().filter(still_good) {
        key.retires_at = Some(until.seconds());
        retiring.push(key.kid.clone());
    }
    published.keys.push(public);
    keys.publish(&published).await?;
    Ok(Rotated { kid: secret.kid, retiring, until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryKeys,
        application::{issue_tokens::access_token, prepare_keys::prepare_keys},
    };
    use rialto_aws::Stage;
    use rialto_kernel::{AccountId, Clock, SellerId, SessionId, SystemClock};
    use rialto_lambda::token::TokenError;

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
        prepare_keys(&keys).await.unwrap();
        let old = token(&keys, now).await;
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        assert_eq!(verified(&keys, &old, now).await, Ok(Role::Seller));
        let rotated = sign_with(&keys, next, now).await.unwrap();
        let new = token(&keys, now).await;
        assert_ne!(old.split('.').next(), new.split('.').next(), "another kid");
        for token in [&old, &new] {
            assert_eq!(verified(&keys, token, now).await, Ok(Role::Seller));
        }
        // A function that hasn't seen the new secret signs with the old key for a while.
        let last = now.plus(SEEN_WITHIN);
        assert!(last.seconds() + ACCESS_SECONDS < rotated.until.seconds());
        assert_eq!(rotated.retiring.len(), 1);
    }

    #[tokio::test]
    async fn the_old_key_is_worth_nothing_when_its_time_is_over() {
        let (keys, now) = (MemoryKeys::default(), SystemClock.now());
        prepare_keys(&keys).await.unwrap();
        let retired = {
            let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
            sign_with(&keys, next, now).await.unwrap().retiring.remove(0)
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
        prepare_keys(&keys).await.unwrap();
        let lost = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let next = publish_next_key(&keys, Role::Seller, now).await.unwrap();
        let rotated = sign_with(&keys, next, now).await.unwrap();
        assert_eq!(rotated.retiring.len(), 2);
        assert!(rotated.retiring.contains(&lost.secret.kid));
        let others = keys.published().await.unwrap();
        let staying = others.keys.iter().filter(|key| key.retires_at.is_none()).count();
        assert_eq!(staying, 3, "one a role");
    }

    #[tokio::test]
    async fn without_a_first_key_there_is_nothing_to_replace() {
        let refused = publish_next_key(&MemoryKeys::default(), Role::User, SystemClock.now()).await;
        assert!(matches!(refused, Err(RotateKeysError::NoKey(Role::User))));
    }
}
