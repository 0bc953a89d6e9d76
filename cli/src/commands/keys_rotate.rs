use crate::{aws, context::Context, failure::Failure, output::progress};
use clap::Args;
use rialto_accounts::{
    adapters::secrets::SecretKeys,
    application::{
        publish_keys::WRITTEN_WITHIN,
        rotate_keys::{
            RotateKeysError, Rotated, SEEN_WITHIN, keep_published, publish_next_key, retire_others,
            sign_with,
        },
    },
};
use rialto_kernel::{Clock, Role, SystemClock};

/// Replace the key that signs a role's access tokens.
///
/// Nobody is logged out. The new public key is published first; when every function has seen it, a minute later, the new key
/// signs. The old one verifies for twenty minutes more, longer than any token that it signed is good. Several roles' keys may be
/// replaced at the same time.
#[derive(Debug, Args)]
pub(crate) struct KeysRotate {
    /// Whose tokens: user, seller or supervisor.
    #[arg(long, value_parser = role)]
    role: Role,
}

impl KeysRotate {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let keys = SecretKeys::open(&aws, &context.stage);
        let rotated = rotate(&keys, self.role).await.map_err(failure)?;
        told(self.role, &rotated).iter().for_each(progress);
        Ok(())
    }
}

async fn rotate(keys: &SecretKeys, role: Role) -> Result<Rotated, RotateKeysError> {
    let pause = async || tokio::time::sleep(WRITTEN_WITHIN).await;
    let next = publish_next_key(keys, role, SystemClock.now()).await?;
    progress(format!(
        "published: the new public key; waiting {} s until every function has seen it",
        (WRITTEN_WITHIN + SEEN_WITHIN).as_secs()
    ));
    keep_published(keys, &next, SystemClock.now(), pause).await?;
    tokio::time::sleep(SEEN_WITHIN).await;
    sign_with(keys, next, SystemClock.now()).await?;
    progress(format!(
        "the new key signs; waiting {} s to see that the old one has its end",
        WRITTEN_WITHIN.as_secs()
    ));
    retire_others(keys, role, SystemClock.now(), pause).await
}

fn role(text: &str) -> Result<Role, String> {
    text.to_ascii_uppercase().parse().map_err(|_| "must be user, seller or supervisor".to_owned())
}

fn told(role: Role, rotated: &Rotated) -> Vec<String> {
    let mut lines = vec![format!("{role} tokens are signed with {} from now on", rotated.kid)];
    lines.extend(
        rotated.retiring.iter().map(|kid| format!("{kid} verifies until {}", rotated.until)),
    );
    lines
}

fn failure(error: RotateKeysError) -> Failure {
    match error {
        RotateKeysError::Store(error) => aws::store_failure("Replacing the key", &error),
        RotateKeysError::NoKey(_) => {
            Failure::new(format!("Replacing the key failed: {error}."), "Run rialto keys init.")
        }
        RotateKeysError::Overtaken(_) => Failure::new(
            format!("The key is not replaced: {error}."),
            "If it still is to be, run rialto keys rotate again, once at a time for a role.",
        ),
        RotateKeysError::Key(_) => Failure::new(
            format!("Replacing the key failed: {error}."),
            "Run rialto keys rotate again; it makes good what is left.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::Timestamp;

    #[test]
    fn a_role_is_written_in_any_case() {
        assert_eq!(role("seller"), Ok(Role::Seller));
        assert_eq!(role("USER"), Ok(Role::User));
        assert!(role("admin").is_err());
    }

    #[test]
    fn what_was_replaced_is_told() {
        let rotated = Rotated {
            kid: "user-2".to_owned(),
            retiring: vec!["user-1".to_owned()],
            until: Timestamp::from_millis(0),
        };
        assert_eq!(
            told(Role::User, &rotated),
            [
                "USER tokens are signed with user-2 from now on",
                "user-1 verifies until 1970-01-01T00:00:00.000Z"
            ]
        );
    }
}
