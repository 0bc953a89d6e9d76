use crate::{aws, context::Context, failure::Failure, output::progress};
use clap::Args;
use rialto_accounts::{
    adapters::secrets::SecretsManagerKeys,
    application::init_keys::{InitKeysError, InitKeysSummary, init_keys},
};
use rialto_aws::Stage;
use rialto_kernel::{SystemClock, settings::JWKS};
use std::sync::Arc;

/// Create the missing signing keys of a stage and publish the public ones
///
/// Required once for a new stage, before anyone can log in. Existing keys are kept, so the command
/// can be repeated.
#[derive(Debug, Args)]
pub(crate) struct KeysInit {}

impl KeysInit {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let keys = SecretsManagerKeys::open(&aws, &context.stage, Arc::new(SystemClock));
        let prepared = init_keys(&keys).await.map_err(failure)?;
        summary_lines(&prepared, &context.stage).iter().for_each(progress);
        Ok(())
    }
}

fn failure(error: InitKeysError) -> Failure {
    match error {
        InitKeysError::Store(error) => aws::store_failure("Creating the keys", &error),
        error => Failure::new(
            format!("Creating the keys failed: {error}."),
            "Run rialto keys init again; created keys are kept.",
        ),
    }
}

fn summary_lines(prepared: &InitKeysSummary, stage: &Stage) -> Vec<String> {
    let mut lines: Vec<_> = prepared
        .signing_keys
        .iter()
        .map(|role| format!("created: the signing key of {role} tokens"))
        .collect();
    if prepared.refresh_key {
        lines.push("created: the key of refresh tokens".to_owned());
    }
    if prepared.published {
        lines.push(format!("published: the public keys, as {}", stage.parameter(JWKS.name)));
    }
    if lines.is_empty() {
        lines.push("every key exists already; nothing was changed".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::Role;

    #[test]
    fn created_keys_are_reported() {
        let stage = Stage::parse("dev").unwrap();
        let all = InitKeysSummary {
            signing_keys: Role::ALL.to_vec(),
            refresh_key: true,
            published: true,
        };
        let lines = summary_lines(&all, &stage);
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0], "created: the signing key of USER tokens");
        assert_eq!(lines[4], "published: the public keys, as /rialto/dev/auth/jwks");
        assert_eq!(
            summary_lines(&InitKeysSummary::default(), &stage),
            ["every key exists already; nothing was changed"]
        );
    }
}
