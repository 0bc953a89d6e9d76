//! Configuration of AWS clients.

use crate::http;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use std::time::Duration;

/// A required environment variable is missing.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct ConfigError(&'static str);

/// Configuration from `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_SESSION_TOKEN` and, for an emulator, `AWS_ENDPOINT_URL`.
///
/// # Errors
/// [`ConfigError`] names the variable that is missing.
pub fn sdk_config() -> Result<SdkConfig, ConfigError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let region = variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .ok_or(ConfigError("AWS_REGION"))?;
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID").ok_or(ConfigError("AWS_ACCESS_KEY_ID"))?,
        variable("AWS_SECRET_ACCESS_KEY").ok_or(ConfigError("AWS_SECRET_ACCESS_KEY"))?,
        variable("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let mut builder = builder(SharedCredentialsProvider::new(credentials), region);
    if let Some(endpoint) = variable("AWS_ENDPOINT_URL") {
        builder = builder.endpoint_url(endpoint);
    }
    Ok(builder.build())
}

/// Configuration for an emulator, which accepts any credentials.
#[must_use]
pub fn emulator_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "emulator");
    builder(SharedCredentialsProvider::new(credentials), "eu-central-1".to_owned())
        .endpoint_url(endpoint)
        .build()
}

fn builder(
    credentials: SharedCredentialsProvider,
    region: String,
) -> aws_types::sdk_config::Builder {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .http_client(http::sdk_client(http::TrustedRoots::Amazon))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(Duration::from_secs(5))
                .build(),
        )
}
