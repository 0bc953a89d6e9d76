use crate::{aws, context::Context, failure::Failure, output::progress};
use clap::Args;
use rialto_accounts::{
    adapters::secrets::SecretsManagerKeys,
    application::{
        publish_keys::WRITE_SETTLE_TIME,
        rotate_keys::{
            KeyRotation, PROPAGATION_DELAY, RotateKeysError, activate, ensure_published,
            publish_next_key, retire_previous,
        },
        rotate_refresh_key::{
            RotateRefreshKeyError, accept_next_key, activate_next_key, confirm_activation,
            confirm_revocation, ensure_accepted, revoke_keys,
        },
    },
};
use rialto_kernel::{Clock, Role, SystemClock, Timestamp};
use std::sync::Arc;

/// Rotate the signing key of a role's access tokens, or the key of refresh tokens
///
/// No sessions end. The new key is published or accepted first; a minute later, when every function
/// has read it, the new key signs. The old key of a role verifies for twenty more minutes, the old
/// key of refresh tokens for a month, longer than any of their tokens lives. Keys of several roles
/// can be rotated at the same time.
#[derive(Debug, Args)]
pub(crate) struct KeysRotate {
    /// The role: user, seller or supervisor
    #[arg(long, value_parser = role, required_unless_present = "refresh")]
    role: Option<Role>,
    /// Rotate the key of refresh tokens
    #[arg(long, conflicts_with = "role")]
    refresh: bool,
    /// Refuse the refresh tokens of earlier keys at once, because one has leaked: everybody has to
    /// log in again
    #[arg(long, requires = "refresh", conflicts_with = "role")]
    revoke: bool,
}

impl KeysRotate {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let keys = SecretsManagerKeys::open(&aws, &context.stage, Arc::new(SystemClock));
        match self.role {
            Some(role) => {
                let rotated = rotate(&keys, role).await.map_err(failure)?;
                summary_lines(role, &rotated).iter().for_each(progress);
            }
            None if self.revoke => {
                revoke_refresh_keys(&keys).await.map_err(refresh_failure)?;
                progress("every refresh token that was issued before is refused within a minute");
            }
            None => {
                let until = rotate_refresh_key(&keys).await.map_err(refresh_failure)?;
                progress(format!("the previous key of refresh tokens is accepted until {until}"));
            }
        }
        Ok(())
    }
}

async fn rotate_refresh_key(keys: &SecretsManagerKeys) -> Result<Timestamp, RotateRefreshKeyError> {
    let pause = async || tokio::time::sleep(WRITE_SETTLE_TIME).await;
    let next = accept_next_key(keys, SystemClock.now()).await?;
    progress(format!(
        "accepted: the next key; waiting {} s until every function has read it",
        (WRITE_SETTLE_TIME + PROPAGATION_DELAY).as_secs()
    ));
    ensure_accepted(keys, &next, SystemClock.now(), pause).await?;
    tokio::time::sleep(PROPAGATION_DELAY).await;
    let until = activate_next_key(keys, &next, SystemClock.now()).await?;
    progress(format!(
        "the new key issues refresh tokens; waiting {} s to confirm it",
        WRITE_SETTLE_TIME.as_secs()
    ));
    confirm_activation(keys, &next, SystemClock.now(), pause).await?;
    Ok(until)
}

async fn revoke_refresh_keys(keys: &SecretsManagerKeys) -> Result<(), RotateRefreshKeyError> {
    let pause = async || tokio::time::sleep(WRITE_SETTLE_TIME).await;
    let revocation = revoke_keys(keys).await?;
    progress(format!(
        "replaced: every key of refresh tokens; waiting {} s to confirm it",
        WRITE_SETTLE_TIME.as_secs()
    ));
    confirm_revocation(keys, &revocation, pause).await
}

async fn rotate(keys: &SecretsManagerKeys, role: Role) -> Result<KeyRotation, RotateKeysError> {
    let pause = async || tokio::time::sleep(WRITE_SETTLE_TIME).await;
    let next = publish_next_key(keys, role, SystemClock.now()).await?;
    progress(format!(
        "published: the new public key; waiting {} s until every function has read it",
        (WRITE_SETTLE_TIME + PROPAGATION_DELAY).as_secs()
    ));
    ensure_published(keys, &next, SystemClock.now(), pause).await?;
    tokio::time::sleep(PROPAGATION_DELAY).await;
    activate(keys, next, SystemClock.now()).await?;
    progress(format!(
        "the new key signs; waiting {} s to confirm the old key's expiry",
        WRITE_SETTLE_TIME.as_secs()
    ));
    retire_previous(keys, role, SystemClock.now(), pause).await
}

fn role(text: &str) -> Result<Role, String> {
    text.to_ascii_uppercase().parse().map_err(|_| "must be user, seller or supervisor".to_owned())
}

fn summary_lines(role: Role, rotated: &KeyRotation) -> Vec<String> {
    let mut lines = vec![format!("{role} tokens are now signed with {}", rotated.kid)];
    lines.extend(
        rotated.retiring.iter().map(|kid| format!("{kid} verifies until {}", rotated.until)),
    );
    lines
}

fn failure(error: RotateKeysError) -> Failure {
    match error {
        RotateKeysError::Store(error) => aws::store_failure("Rotating the key", &error),
        RotateKeysError::NoKey(_) => {
            Failure::new(format!("Rotating the key failed: {error}."), "Run rialto keys init.")
        }
        RotateKeysError::Superseded(_) => Failure::new(
            format!("The key wasn't rotated: {error}."),
            "Run rialto keys rotate again, one rotation of a role at a time.",
        ),
        RotateKeysError::Key(_) => Failure::new(
            format!("Rotating the key failed: {error}."),
            "Run rialto keys rotate again; it completes the rotation.",
        ),
    }
}

fn refresh_failure(error: RotateRefreshKeyError) -> Failure {
    match error {
        RotateRefreshKeyError::Store(error) => aws::store_failure("Rotating the key", &error),
        RotateRefreshKeyError::NoKey => {
            Failure::new(format!("Rotating the key failed: {error}."), "Run rialto keys init.")
        }
        RotateRefreshKeyError::Superseded => Failure::new(
            format!("The key wasn't rotated: {error}."),
            "Run rialto keys rotate --refresh again, one rotation at a time.",
        ),
        RotateRefreshKeyError::Randomness(_) => Failure::new(
            format!("Rotating the key failed: {error}."),
            "Run rialto keys rotate --refresh again.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::Timestamp;

    #[test]
    fn roles_are_parsed_in_any_case() {
        assert_eq!(role("seller"), Ok(Role::Seller));
        assert_eq!(role("USER"), Ok(Role::User));
        assert!(role("admin").is_err());
    }

    #[test]
    fn rotated_keys_are_reported() {
        let rotated = KeyRotation {
            kid: "user-2".to_owned(),
            retiring: vec!["user-1".to_owned()],
            until: Timestamp::from_millis(0),
        };
        assert_eq!(
            summary_lines(Role::User, &rotated),
            [
                "USER tokens are now signed with user-2",
                "user-1 verifies until 1970-01-01T00:00:00.000Z"
            ]
        );
    }
}
