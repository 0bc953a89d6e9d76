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
    },
};
use rialto_kernel::{Clock, Role, SystemClock};

/// Rotate the signing key of a role's access tokens
///
/// No sessions end. The new public key is published first; a minute later, when every function has
/// read it, the new key signs. The old key verifies for twenty more minutes, longer than any token
/// lives. Keys of several roles can be rotated at the same time.
#[derive(Debug, Args)]
pub(crate) struct KeysRotate {
    /// The role: user, seller or supervisor
    #[arg(long, value_parser = role)]
    role: Role,
}

impl KeysRotate {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let keys = SecretsManagerKeys::open(&aws, &context.stage);
        let rotated = rotate(&keys, self.role).await.map_err(failure)?;
        summary_lines(self.role, &rotated).iter().for_each(progress);
        Ok(())
    }
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
