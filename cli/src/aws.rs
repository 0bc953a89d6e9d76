//! AWS clients configured as on a developer's machine, and their errors with advice.

use crate::failure::Failure;
use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_types::error::display::DisplayErrorContext;
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::StoreError;
use std::error::Error;

/// The source of the configuration.
#[derive(Debug, PartialEq, Eq)]
enum Source<'a> {
    /// The emulator named in the stage's file.
    Emulator(&'a str),
    /// The default chain: environment, profiles, SSO, metadata services.
    Chain,
}

/// An endpoint in the environment, which the default chain reads itself, takes precedence over the
/// file's. The stage `local` never means AWS.
fn source<'a>(
    stage: &Stage,
    endpoint_in_environment: Option<&str>,
    endpoint_in_file: Option<&'a str>,
) -> Result<Source<'a>, Failure> {
    let given = endpoint_in_environment.is_some_and(|endpoint| !endpoint.is_empty());
    match endpoint_in_file {
        _ if given => Ok(Source::Chain),
        Some(endpoint) => Ok(Source::Emulator(endpoint)),
        None if stage.as_str() == "local" => Err(Failure::new(
            "The stage local runs on an emulator, but its endpoint isn't known.",
            "Run scripts/up first, set AWS_ENDPOINT_URL, or choose another stage with --stage.",
        )),
        None => Ok(Source::Chain),
    }
}

/// # Errors
/// [`Failure`] without an endpoint for the stage `local`, without a region or without credentials.
pub(crate) async fn config(
    stage: &Stage,
    endpoint_in_file: Option<&str>,
) -> Result<SdkConfig, Failure> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").ok();
    match source(stage, endpoint.as_deref(), endpoint_in_file)? {
        Source::Emulator(endpoint) => Ok(rialto_aws::emulator_config(endpoint)),
        Source::Chain => chain().await,
    }
}

async fn chain() -> Result<SdkConfig, Failure> {
    // Explicit, so that no second cryptography library is linked beside rustls on ring.
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    if config.region().is_none() {
        return Err(Failure::new(
            "No AWS region is set.",
            "Set AWS_REGION, or choose a profile that has one with AWS_PROFILE.",
        ));
    }
    let credentials = match config.credentials_provider() {
        Some(provider) => {
            provider.provide_credentials().await.map(drop).map_err(|error| error.to_string())
        }
        None => Err("no provider".to_owned()),
    };
    credentials.map_err(|error| {
        Failure::new(
            format!("No AWS credentials were found: {error}."),
            "Choose a profile with AWS_PROFILE (after `aws sso login`, if it needs that), or set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY.",
        )
    })?;
    Ok(config)
}

/// An error of a store of settings. `doing` completes "… failed", such as `Reading the settings`.
pub(crate) fn settings_failure(doing: &str, error: &dyn Error) -> Failure {
    let text = error.to_string();
    Failure::new(format!("{doing} failed: {}", short(&text)), advice(&text))
}

/// A short description of an SDK error.
pub(crate) fn sdk_words(error: &(dyn Error + 'static)) -> String {
    short(&DisplayErrorContext(error).to_string())
}

/// An error of an SDK client.
pub(crate) fn sdk_failure(doing: &str, error: &(dyn Error + 'static)) -> Failure {
    let text = DisplayErrorContext(error).to_string();
    Failure::new(format!("{doing} failed: {}", short(&text)), advice(&text))
}

/// An error of a service's table.
pub(crate) fn store_failure(doing: &str, error: &StoreError) -> Failure {
    let text = error.to_string();
    Failure::new(format!("{doing} failed: {}", short(&text)), advice(&text))
}

/// Advice for errors whose text contains a phrase.
fn advice(text: &str) -> &'static str {
    const ADVICE: &[(&str, &str)] = &[
        ("AccessDenied", "The credentials lack a permission: use a role that has it."),
        ("UnrecognizedClient", "AWS rejected these credentials: choose others with AWS_PROFILE."),
        ("InvalidClientTokenId", "AWS rejected these credentials: choose others with AWS_PROFILE."),
        ("ExpiredToken", "The credentials have expired: sign in again (such as `aws sso login`)."),
        (
            "ResourceNotFound",
            "The stage isn't deployed there: deploy it (scripts/up or scripts/deploy), or check --stage and the region.",
        ),
        (
            "NonExistentQueue",
            "The stage isn't deployed there, or its release is another one: deploy it (scripts/up or scripts/deploy).",
        ),
        (
            "dispatch failure",
            "No response: run scripts/up for the stage local, else check the network, the region and AWS_ENDPOINT_URL.",
        ),
        ("timeout", "Timed out: try again."),
        ("Throttl", "Throttled: try again in a moment."),
    ];
    let found = ADVICE.iter().find(|(sign, _)| text.contains(sign));
    found.map_or("Check --stage, the region and the credentials, then try again.", |(_, advice)| {
        advice
    })
}

/// The SDK's message, without repetitions and details for SDK developers.
fn short(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split(" (").next().unwrap_or_default().split(": ") {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(": ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_local_never_means_aws() {
        let (local, dev) = (Stage::parse("local").unwrap(), Stage::parse("dev").unwrap());
        assert!(source(&local, None, None).is_err());
        assert!(source(&local, Some(""), None).is_err());
        assert_eq!(
            source(&local, None, Some("http://file")).unwrap(),
            Source::Emulator("http://file")
        );
        assert_eq!(source(&local, Some("http://env"), Some("http://file")).unwrap(), Source::Chain);
        assert_eq!(source(&dev, None, None).unwrap(), Source::Chain);
        assert_eq!(
            source(&dev, None, Some("http://file")).unwrap(),
            Source::Emulator("http://file")
        );
    }

    #[test]
    fn errors_get_matching_advice() {
        let error = StoreError::Unavailable(
            "service error: ResourceNotFoundException: no table".to_owned(),
        );
        assert!(store_failure("Writing", &error).to_string().contains("isn't deployed"));
        let error = StoreError::Unavailable(
            "service error: No: not now: No: not now (SdkError {})".to_owned(),
        );
        assert!(
            store_failure("Writing", &error).to_string().contains("service error: No: not now\n")
        );
        let error = StoreError::Unavailable("something else (SdkError { … })".to_owned());
        let text = store_failure("Writing", &error).to_string();
        assert!(text.contains("something else\n") && text.contains("Check --stage"), "{text}");
    }
}
