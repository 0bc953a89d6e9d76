//! Signed requests to services of which Rialto uses one or two operations.
//!
//! Their SDKs have hundreds of operations; each SDK would add a tenth to a function's size and a
//! fifth to its build time.

use crate::{
    SdkConfig,
    http::{Connector, TrustedRoots},
    random::random_below,
};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use serde_json::Value;
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// One AWS service, reached by signed POST requests. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct SignedClient {
    /// The service's name in signatures, such as `ssm`.
    name: &'static str,
    region: String,
    endpoint: String,
    credentials: Option<SharedCredentialsProvider>,
    read_timeout: Duration,
    connector: Arc<OnceLock<Connector>>,
}

/// The error of an action.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("{0}")]
    Unreached(String),
    #[error("{target}: status {status} {kind}")]
    Refused { target: String, status: u16, kind: String },
}

impl JsonError {
    /// Whether the service rejected the request with this error type.
    pub(crate) fn is(&self, reason: &str) -> bool {
        matches!(self, Self::Refused { kind, .. } if kind.rsplit('#').next() == Some(reason))
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Unreached(_) => true,
            Self::Refused { status, kind, .. } => {
                *status >= 500 || THROTTLED.iter().any(|throttled| kind.contains(throttled))
            }
        }
    }
}

/// Parts of the error types that say that there were too many requests.
const THROTTLED: [&str; 3] =
    ["Throttling", "ProvisionedThroughputExceeded", "RequestLimitExceeded"];

/// The time after the first attempt in which others start.
const RETRY_TIME: Duration = Duration::from_secs(5);
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct SignedResponse {
    pub(crate) status: u16,
    /// Lambda's header `x-amz-function-error`.
    pub(crate) function_error: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl SignedClient {
    /// `host` is the part of the service's host name before the region.
    pub(crate) fn new(
        aws: &SdkConfig,
        host: &str,
        name: &'static str,
        read_timeout: Duration,
    ) -> Self {
        let region = aws.region().map(ToString::to_string).unwrap_or_default();
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = aws.endpoint_url().map_or_else(
            || format!("https://{host}.{region}.amazonaws.com{suffix}"),
            str::to_owned,
        );
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let credentials = aws.credentials_provider();
        Self { name, region, endpoint, credentials, read_timeout, connector: Arc::default() }
    }

    /// Sends one request and returns the response, whatever its status; the error is the reason
    /// why there is no response.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<SignedResponse, String> {
        let request = self.signed(path, headers, body).await?;
        let connector = self
            .connector
            .get_or_init(|| Connector::new(TrustedRoots::Amazon, Some(self.read_timeout)));
        let response = connector.call(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let function_error = response.headers().get("x-amz-function-error").map(str::to_owned);
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok(SignedResponse { status, function_error, body: body.to_bytes().to_vec() })
    }

    /// Sends an action, such as `AmazonSSM.GetParameters`, to a JSON service and returns the
    /// response. Network errors, throttling and server errors are retried for [`RETRY_TIME`], after
    /// pauses of random length: clients that were throttled together don't return together.
    pub(crate) async fn send(&self, target: &str, request: &Value) -> Result<Value, JsonError> {
        let body = request.to_string();
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.send_once(target, &body).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let pause = random_below(MAX_PAUSE.min(Duration::from_millis(50 << attempts.min(5))));
            if !error.is_transient() || started.elapsed() + pause > RETRY_TIME {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn send_once(&self, target: &str, body: &str) -> Result<Value, JsonError> {
        let content_type = match self.name {
            "dynamodb" => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        };
        let headers = [("content-type", content_type), ("x-amz-target", target)];
        let response = self.post("/", &headers, body).await.map_err(JsonError::Unreached)?;
        let status = response.status;
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let kind = body["__type"].as_str().unwrap_or_default().to_owned();
        Err(JsonError::Refused { target: target.to_owned(), status, kind })
    }

    async fn signed(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<HttpRequest, String> {
        let provider = self.credentials.as_ref().ok_or("no credentials")?;
        let identity = provider.provide_credentials().await.map_err(text)?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(text)?
            .into();
        let url = format!("{}{path}", self.endpoint);
        let body_to_sign = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", &url, headers.iter().copied(), body_to_sign);
        let (instructions, _) = sign(signable.map_err(text)?, &params).map_err(text)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(text)?;
        request.set_uri(url).map_err(text)?;
        let into = request.headers_mut();
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            into.try_insert(name.to_owned(), value.to_owned()).map_err(text)?;
        }
        Ok(request)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
