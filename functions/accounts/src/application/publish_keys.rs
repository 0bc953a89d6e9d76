//! What making and replacing keys have in common: the public keys of all roles are one parameter, which is read, changed and
//! written without a condition.

use crate::ports::KeyWriter;
use rialto_kernel::{Role, StoreError};
use rialto_lambda::token::{self, Jwk, Jwks, KeyError};
use std::time::Duration;

/// Within this time a change of the published keys that was begun is written, or never will be: reading and writing are given
/// up sooner.
pub const WRITE_SETTLE_TIME: Duration = Duration::from_secs(10);

/// How often the published keys are read and written while others publish, too.
const MAX_ATTEMPTS: u32 = 8;

/// What is published.
pub(super) struct Published {
    pub(super) keys: Jwks,
    /// It was so already.
    pub(super) found: bool,
}

/// Publishes what is wanted instead of what was published, and reads it back until it is so: who publishes at the same moment
/// writes over it what they read before.
pub(super) async fn update_jwks<E: From<StoreError>>(
    keys: &impl KeyWriter,
    wanted: impl AsyncFn(&Jwks) -> Result<Jwks, E>,
) -> Result<Published, E> {
    for tried in 0..MAX_ATTEMPTS {
        let published = keys.published().await?;
        let wanted = wanted(&published).await?;
        if wanted == published {
            return Ok(Published { keys: published, found: tried == 0 });
        }
        keys.publish(&wanted).await?;
    }
    Err(contended().into())
}

/// Does this after a pause, and again, until it finds published what it wants. Who read before that was written, and hadn't
/// written yet, has in the pause.
pub(super) async fn retry_until_stable<T, E: From<StoreError>>(
    pause: impl AsyncFn(),
    publish: impl AsyncFn() -> Result<(T, bool), E>,
) -> Result<T, E> {
    for _ in 0..MAX_ATTEMPTS {
        pause().await;
        if let (done, true) = publish().await? {
            return Ok(done);
        }
    }
    Err(contended().into())
}

fn contended() -> StoreError {
    StoreError::Unavailable("others publish keys at the same moment".to_owned())
}

/// The published keys with this one just so; where it is already, all stay as they are.
pub(super) fn with_public_key(published: &Jwks, public: &Jwk) -> Jwks {
    let mut wanted = published.clone();
    if !wanted.keys.contains(public) {
        wanted.keys.retain(|key| key.kid != public.kid);
        wanted.keys.push(public.clone());
    }
    wanted
}

/// The published keys with the one that signs each role's tokens, as the secrets tell. Those are read after what is published: one
/// that was replaced in between is published, too.
pub(super) async fn with_signing_keys<E: From<StoreError> + From<KeyError>>(
    keys: &impl KeyWriter,
    published: &Jwks,
) -> Result<Jwks, E> {
    let mut wanted = published.clone();
    for role in Role::ALL {
        if let Some(secret) = keys.current_signing_key(role).await? {
            wanted = with_public_key(&wanted, &token::public_key(secret.kid, role, &secret.pkcs8)?);
        }
    }
    Ok(wanted)
}
