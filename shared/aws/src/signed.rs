//! Signed requests to services of which Rialto uses one or two operations.
//!
//! Their SDKs have hundreds of operations; each SDK would add a tenth to a function's size and a
//! fifth to its build time.

use crate::{
    SdkConfig,
    http::{self, Connector, NoResponse, ResponseLimits, TrustedRoots},
};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use rialto_kernel::Backoff;
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
    /// Of one attempt, up to the end of the response.
    time_limit: Duration,
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
}

/// Network errors, throttling and server errors.
pub(crate) fn is_transient(outcome: &Result<SignedResponse, NoResponse>) -> bool {
    outcome.as_ref().map_or(true, |response| {
        let kind = error_type(&response.body);
        response.status >= 500
            || response.status == 429
            || (response.status >= 400 && THROTTLED.iter().any(|part| kind.contains(part)))
    })
}

/// The error type in a JSON service's response.
fn error_type(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["__type"].as_str().unwrap_or_default().to_owned()
}

/// Parts of the error types that say that there were too many requests.
const THROTTLED: [&str; 3] =
    ["Throttling", "ProvisionedThroughputExceeded", "RequestLimitExceeded"];

/// The time after the first attempt in which others start.
const RETRY_TIME: Duration = Duration::from_secs(5);
/// The pauses between attempts.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
/// More than the largest response, which is that of a function (6 MB).
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// A response of any status.
pub(crate) struct SignedResponse {
    pub(crate) status: u16,
    /// Lambda's header `x-amz-function-error`.
    pub(crate) function_error: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// The domain of AWS's addresses in a region, which depends on the region's partition.
fn domain(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    let found = partitions.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("amazonaws.com", |(_, domain)| domain)
}

impl SignedClient {
    /// `host` is the part of the service's host name before the region.
    pub(crate) fn new(
        aws: &SdkConfig,
        host: &str,
        name: &'static str,
        time_limit: Duration,
    ) -> Self {
        let region = aws.region().map(ToString::to_string).unwrap_or_default();
        let endpoint = aws
            .endpoint_url()
            .map_or_else(|| format!("https://{host}.{region}.{}", domain(&region)), str::to_owned);
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let credentials = aws.credentials_provider();
        Self { name, region, endpoint, credentials, time_limit, connector: Arc::default() }
    }

    /// Without a slash at its end.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends one request and returns the response, whatever its status.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<SignedResponse, NoResponse> {
        let request = self.signed(path, headers, body).await.map_err(NoResponse::NotSent)?;
        let connector = self.connector.get_or_init(|| Connector::new(TrustedRoots::Amazon, None));
        let limits = ResponseLimits { time: self.time_limit, bytes: MAX_RESPONSE_BYTES };
        let response = http::fetch(connector, request, limits).await?;
        let function_error = response.headers.get("x-amz-function-error").map(str::to_owned);
        Ok(SignedResponse { status: response.status, function_error, body: response.body })
    }

    /// The same, repeated for [`RETRY_TIME`] as long as `may_repeat` says so of the outcome.
    pub(crate) async fn post_with_retries(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
        may_repeat: impl Fn(&Result<SignedResponse, NoResponse>) -> bool,
    ) -> Result<SignedResponse, NoResponse> {
        let started = Instant::now();
        let mut attempts = 1;
        loop {
            let outcome = self.post(path, headers, body).await;
            let pause = BACKOFF.pause(attempts);
            if started.elapsed() + pause > RETRY_TIME || !may_repeat(&outcome) {
                return outcome;
            }
            tokio::time::sleep(pause).await;
            attempts += 1;
        }
    }

    /// Sends an action, such as `AmazonSSM.GetParameters`, to a JSON service and returns the
    /// response. Network errors, throttling and server errors are retried.
    pub(crate) async fn send(&self, target: &str, request: &Value) -> Result<Value, JsonError> {
        let content_type = match self.name {
            "dynamodb" | "sqs" => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        };
        let headers = [("content-type", content_type), ("x-amz-target", target)];
        let response =
            self.post_with_retries("/", &headers, &request.to_string(), is_transient).await;
        let response = response.map_err(|error| JsonError::Unreached(error.to_string()))?;
        let SignedResponse { status, body, .. } = response;
        if (200..300).contains(&status) {
            return Ok(serde_json::from_slice(&body).unwrap_or_default());
        }
        Err(JsonError::Refused { target: target.to_owned(), status, kind: error_type(&body) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InvokeError, LambdaClient, Mail, Mailer, ParameterStore, Stage, emulator_config};
    use rialto_testkit::http::{SequenceStub, StubResponse, serve, serve_in_order};

    fn throttled() -> StubResponse {
        StubResponse::new(400, r#"{"__type":"ThrottlingException"}"#)
    }

    fn mail() -> Mail<'static> {
        Mail { from: "a@shop.example", to: "b@shop.example", subject: "s", text: "t" }
    }

    async fn send(stub: &SequenceStub) -> (bool, usize) {
        let sent = Mailer::new(&emulator_config(&stub.url)).send(&mail()).await;
        (sent.is_ok(), stub.requests().len())
    }

    #[test]
    fn addresses_end_by_the_partitions_domain() {
        for (region, expected) in [
            ("eu-central-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
        ] {
            assert_eq!(domain(region), expected, "{region}");
        }
    }

    #[tokio::test]
    async fn actions_are_repeated_after_transient_failures() {
        let parameters = r#"{"Parameters":[{"Name":"a","Value":"1"}]}"#;
        for failure in [throttled(), StubResponse::new(503, ""), StubResponse::new(429, "{}")] {
            let responses = vec![failure.clone(), failure, StubResponse::new(200, parameters)];
            let stub = serve_in_order(responses);
            let store = ParameterStore::new(&emulator_config(&stub.url));
            let read = store.get(&["a".to_owned()]).await.unwrap();
            assert_eq!((read["a"].as_str(), stub.requests().len()), ("1", 3));
        }
        let stub = serve_in_order(vec![StubResponse::new(400, r#"{"__type":"NoSuchThing"}"#)]);
        let store = ParameterStore::new(&emulator_config(&stub.url));
        assert!(store.get(&["a".to_owned()]).await.is_err());
        assert_eq!(stub.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_mail_is_repeated_only_if_it_was_not_sent() {
        let sent = || StubResponse::new(200, "{}");
        assert_eq!(send(&serve_in_order(vec![sent()])).await, (true, 1));
        let stub = serve_in_order(vec![StubResponse::new(429, "{}"), sent()]);
        assert_eq!(send(&stub).await, (true, 2));
        assert_eq!(send(&serve_in_order(vec![StubResponse::new(500, "{}")])).await, (false, 1));
    }

    #[tokio::test]
    async fn an_asynchronous_invocation_is_repeated() {
        let accepted = StubResponse::new(202, "");
        let stub = serve_in_order(vec![StubResponse::new(503, "{}"), accepted]);
        let stage = Stage::parse("test").unwrap();
        let functions =
            LambdaClient::new(&emulator_config(&stub.url), &stage, Duration::from_secs(5));
        assert_eq!(functions.invoke_async("f", "{}").await, Ok(()));
        assert_eq!(stub.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_response_that_is_too_large_is_an_error() {
        let url = serve(|_| Some(StubResponse::new(200, " ".repeat(MAX_RESPONSE_BYTES + 1))));
        let stage = Stage::parse("test").unwrap();
        let functions = LambdaClient::new(&emulator_config(&url), &stage, Duration::from_secs(5));
        let error = functions.invoke("f", "{}").await.unwrap_err();
        let InvokeError::Unreached { reason, .. } = error else { panic!("{error}") };
        assert!(reason.contains("more than"), "{reason}");
    }
}
