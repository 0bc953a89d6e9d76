//! Publication of public keys. The keys of all roles are one parameter, which can't be written
//! conditionally: it is read, changed, written and read back.

use crate::ports::KeyWriter;
use rialto_kernel::{Role, StoreError, store::MAX_ATTEMPTS};
use rialto_lambda::token::{self, Jwk, Jwks, KeyError};
use std::time::Duration;

/// The time after which a started change of the published keys is either written or abandoned. The
/// timeouts of reading and writing are shorter.
pub const WRITE_SETTLE_TIME: Duration = Duration::from_secs(10);

/// The published keys after an update.
pub(super) struct PublishedKeys {
    pub(super) keys: Jwks,
    /// Whether they were so before.
    pub(super) unchanged: bool,
}

/// Publishes what `change` makes of the published keys, until reading them back confirms it: a
/// concurrent writer may overwrite them with what it read before. The attempts are counted, because
/// only the first can find the keys unchanged.
pub(super) async fn update_jwks<E: From<StoreError>>(
    keys: &impl KeyWriter,
    change: impl AsyncFn(&Jwks) -> Result<Jwks, E>,
) -> Result<PublishedKeys, E> {
    for attempt in 0..MAX_ATTEMPTS {
        let published = keys.published().await?;
        let changed = change(&published).await?;
        if changed == published {
            return Ok(PublishedKeys { keys: published, unchanged: attempt == 0 });
        }
        keys.publish(&changed).await?;
    }
    Err(StoreError::Contended.into())
}

/// Repeats `publish` after a pause until it finds the keys unchanged. Concurrent writers that read
/// the keys before the previous write have written by the end of the pause.
pub(super) async fn retry_until_stable<T, E: From<StoreError>>(
    pause: impl AsyncFn(),
    publish: impl AsyncFn() -> Result<(T, bool), E>,
) -> Result<T, E> {
    for _ in 0..MAX_ATTEMPTS {
        pause().await;
        if let (result, true) = publish().await? {
            return Ok(result);
        }
    }
    Err(StoreError::Contended.into())
}

/// The published keys with this one added, or in place of the one with the same key id.
pub(super) fn with_public_key(published: &Jwks, public: &Jwk) -> Jwks {
    let mut keys = published.clone();
    if !keys.keys.contains(public) {
        keys.keys.retain(|key| key.kid != public.kid);
        keys.keys.push(public.clone());
    }
    keys
}

/// The published keys with the public half of each role's signing key. The secrets are read after
/// the published keys, so that a key that is activated in between is included.
pub(super) async fn with_signing_keys<E: From<StoreError> + From<KeyError>>(
    keys: &impl KeyWriter,
    published: &Jwks,
) -> Result<Jwks, E> {
    let mut complete = published.clone();
    for role in Role::ALL {
        if let Some(secret) = keys.current_signing_key(role).await? {
            let public = token::public_key(secret.kid, role, &secret.pkcs8)?;
            complete = with_public_key(&complete, &public);
        }
    }
    Ok(complete)
}
