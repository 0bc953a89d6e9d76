//! A client of the stage's HTTP API, on the HTTP client of the AWS SDKs.

use crate::failure::Failure;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorSettings},
        orchestrator::HttpRequest,
    },
    http::HttpError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::{error::Error, fmt::Write, time::Duration};

/// Longer than API Gateway's limit of 29 seconds.
const ANSWER: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);
/// Maximum attempts of a request that failed temporarily.
const ATTEMPTS: u32 = 5;
/// The same for a persistent client, which takes about a minute and a half.
const PERSISTENT_ATTEMPTS: u32 = 20;

pub(crate) struct Api {
    /// Without a trailing slash.
    url: String,
    connector: Connector,
    persistent: bool,
}

/// A logged-in account.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Session {
    pub(crate) access_token: String,
    pub(crate) account_id: String,
}

/// A request builder.
pub(crate) struct Call<'a> {
    api: &'a Api,
    method: &'static str,
    path: String,
    token: Option<&'a str>,
    key: Option<&'a str>,
    body: Option<Value>,
    /// The request may be repeated, though it is a POST without an Idempotency-Key.
    harmless: bool,
}

/// An error of a request.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// No response: the request may or may not have been processed.
    Unreachable {
        url: String,
        cause: String,
    },
    Refused(ProblemResponse),
}

/// An RFC 9457 problem response. A response from something else than the API has no code.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProblemResponse {
    #[serde(skip)]
    call: String,
    #[serde(skip)]
    url: String,
    status: u16,
    code: String,
    title: String,
    detail: Option<String>,
    errors: Vec<BadField>,
}

#[derive(Debug, Deserialize)]
struct BadField {
    field: String,
    message: String,
}

#[derive(Deserialize)]
struct SuccessBody {
    data: Value,
    pagination: Option<Pagination>,
}

#[derive(Deserialize)]
struct Pagination {
    next_cursor: Option<String>,
}

/// A response before it is parsed.
struct Raw {
    status: u16,
    retry_after: Option<u64>,
    body: Vec<u8>,
}

impl Api {
    /// # Errors
    /// [`Failure`] unless `url` is a valid HTTP URL.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Failure::new(
                format!("{url:?} is not the URL of an API."),
                "Give it as in --api-url https://abc123.execute-api.eu-central-1.amazonaws.com/dev.",
            ));
        }
        let settings =
            HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(ANSWER).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build();
        Ok(Self { url: url.trim_end_matches('/').to_owned(), connector, persistent: false })
    }

    /// The same client, which repeats a request that got no response or a server error, whatever
    /// the request may have done already.
    pub(crate) fn persistent(self) -> Self {
        Self { persistent: true, ..self }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        Call { body: Some(body), ..self.call("POST", path) }
    }

    pub(crate) fn put(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        Call { body: Some(body), ..self.call("PUT", path) }
    }

    pub(crate) fn delete(&self, path: impl Into<String>) -> Call<'_> {
        self.call("DELETE", path)
    }

    fn call(&self, method: &'static str, path: impl Into<String>) -> Call<'_> {
        Call {
            api: self,
            method,
            path: path.into(),
            token: None,
            key: None,
            body: None,
            harmless: false,
        }
    }

    /// # Errors
    /// [`ApiError`], with the code `unauthenticated` for an unknown email or a wrong password.
    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Result<Session, ApiError> {
        // A repeated login only creates another session.
        let call = self.post("/auth/login", json!({ "email": email, "password": password }));
        Call { harmless: true, ..call }.read().await
    }
}

impl<'a> Call<'a> {
    /// Sends the request as a logged-in account.
    pub(crate) fn by(self, session: &'a Session) -> Self {
        Self { token: Some(&session.access_token), ..self }
    }

    /// Adds an Idempotency-Key.
    pub(crate) fn key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Returns the response's data.
    ///
    /// # Errors
    /// [`ApiError`] unless the response is a success whose data is a `T`.
    pub(crate) async fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let body = self.success_body().await?;
        T::deserialize(body.data).map_err(|error| self.malformed_response(&error))
    }

    /// Returns every page of a list. The path must have no query.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub(crate) async fn read_all<T: DeserializeOwned>(mut self) -> Result<Vec<T>, ApiError> {
        let list = format!("{}?limit=100", self.path);
        self.path.clone_from(&list);
        let mut all = Vec::new();
        loop {
            let body = self.success_body().await?;
            let page: Vec<T> =
                Vec::deserialize(body.data).map_err(|error| self.malformed_response(&error))?;
            all.extend(page);
            match body.pagination.and_then(|pagination| pagination.next_cursor) {
                Some(cursor) => self.path = format!("{list}&cursor={cursor}"),
                None => return Ok(all),
            }
        }
    }

    /// Sends the request, and ignores the data of a success.
    ///
    /// # Errors
    /// [`ApiError`] unless the response is a success.
    pub(crate) async fn done(self) -> Result<(), ApiError> {
        self.success().await.map(drop)
    }

    async fn success(&self) -> Result<Raw, ApiError> {
        let raw = self.send_with_retries().await?;
        if !(200..300).contains(&raw.status) {
            return Err(ApiError::Refused(self.refusal(&raw)));
        }
        Ok(raw)
    }

    async fn success_body(&self) -> Result<SuccessBody, ApiError> {
        let raw = self.success().await?;
        serde_json::from_slice(&raw.body).map_err(|error| self.malformed_response(&error))
    }

    /// Repeats a request that failed temporarily.
    async fn send_with_retries(&self) -> Result<Raw, ApiError> {
        let attempts = if self.api.persistent { PERSISTENT_ATTEMPTS } else { ATTEMPTS };
        let mut attempt = 1;
        loop {
            let sent = self.send().await;
            let may_repeat = match &sent {
                Ok(raw) => {
                    self.may_repeat(raw.status) || (self.api.persistent && raw.status >= 500)
                }
                Err(_) => self.api.persistent,
            };
            if attempt == attempts || !may_repeat {
                return sent;
            }
            let retry_after = sent.ok().and_then(|raw| raw.retry_after);
            let wait = Duration::from_millis(100 << attempt.min(6));
            let wait = retry_after.map_or(wait, Duration::from_secs);
            tokio::time::sleep(wait.min(Duration::from_secs(5))).await;
            attempt += 1;
        }
    }

    /// Whether a repetition is harmless: the request was throttled, or it is idempotent.
    fn may_repeat(&self, status: u16) -> bool {
        let twice_is_once = self.method != "POST" || self.key.is_some() || self.harmless;
        status == 429 || (twice_is_once && matches!(status, 503 | 504))
    }

    async fn send(&self) -> Result<Raw, ApiError> {
        let unreachable = |cause| ApiError::Unreachable { url: self.api.url.clone(), cause };
        let request = self.request().map_err(|error| unreachable(innermost(&error)))?;
        let response = self
            .api
            .connector
            .call(request)
            .await
            .map_err(|error| unreachable(innermost(&error)))?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|seconds| seconds.parse().ok());
        let body = ByteStream::new(response.into_body()).collect().await;
        let body = body.map_err(|error| unreachable(innermost(&error)))?.to_vec();
        Ok(Raw { status, retry_after, body })
    }

    fn request(&self) -> Result<HttpRequest, HttpError> {
        let body = self.body.as_ref().map(Value::to_string);
        let mut request = HttpRequest::new(body.map_or_else(SdkBody::empty, SdkBody::from));
        request.set_method(self.method)?;
        request.set_uri(format!("{}{}", self.api.url, self.path))?;
        let headers = request.headers_mut();
        headers.try_insert("accept", "application/json")?;
        if self.body.is_some() {
            headers.try_insert("content-type", "application/json")?;
        }
        if let Some(token) = self.token {
            headers.try_insert("authorization", format!("Bearer {token}"))?;
        }
        if let Some(key) = self.key {
            headers.try_insert("idempotency-key", key.to_owned())?;
        }
        Ok(request)
    }

    fn refusal(&self, raw: &Raw) -> ProblemResponse {
        let problem = serde_json::from_slice::<Map<String, Value>>(&raw.body).ok();
        let problem = problem.filter(|problem| problem.contains_key("code"));
        let refusal =
            problem.and_then(|problem| serde_json::from_value(Value::Object(problem)).ok());
        let refusal = refusal.unwrap_or_else(|| ProblemResponse {
            title: String::from_utf8_lossy(&raw.body).chars().take(200).collect(),
            ..ProblemResponse::default()
        });
        ProblemResponse {
            status: raw.status,
            call: self.name(),
            url: self.api.url.clone(),
            ..refusal
        }
    }

    /// A success response that doesn't have the expected form.
    fn malformed_response(&self, error: &serde_json::Error) -> ApiError {
        ApiError::Refused(ProblemResponse {
            call: self.name(),
            url: self.api.url.clone(),
            title: format!("the response can't be parsed: {error}"),
            ..ProblemResponse::default()
        })
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl ApiError {
    /// Whether the API responded with this problem code.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == code)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unreachable { url, cause } => Self::new(
                format!("{url} doesn't body: {cause}."),
                "Run scripts/up for the stage local; else check the network and --api-url.",
            ),
            ApiError::Refused(refusal) => Self::new(refusal.message(), refusal.advice()),
        }
    }
}

impl ProblemResponse {
    fn message(&self) -> String {
        let mut text = format!("{} returned status {}", self.call, self.status);
        for part in
            [self.code.as_str(), self.title.as_str(), self.detail.as_deref().unwrap_or_default()]
        {
            if !part.is_empty() {
                // Writing to a string can't fail.
                write!(text, ": {part}").ok();
            }
        }
        for bad in &self.errors {
            write!(text, "\n    {} {}", bad.field, bad.message).ok();
        }
        text
    }

    fn advice(&self) -> String {
        let advice = match (self.status, self.code.as_str()) {
            (_, "") => {
                return format!(
                    "Check that {} is the URL of a Rialto API (--api-url), of the same release.",
                    self.url
                );
            }
            (_, "not_orderable") => "Choose a product that is for sale: see GET /products.",
            (_, "invalid") => "Correct the fields listed above.",
            (401, _) => {
                "Run rialto keys init once for a new stage; then rialto seed, which creates the accounts again."
            }
            (403, _) => "Use the owner's account or a supervisor's.",
            (404, _) => "Check the id and the stage.",
            (409 | 422, _) => "Check the current state, then decide again.",
            (429 | 503 | 504, _) => {
                "Try again in a moment; GET /health shows failing dependencies."
            }
            _ => "See the function's log for the cause, then try again.",
        };
        advice.to_owned()
    }
}

/// The root cause of an error, such as `Connection refused`.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::serve;

    fn refusal(status: u16, body: &str) -> String {
        let api = Api::new("http://127.0.0.1:1/x/").unwrap();
        let call = api.post("/orders", json!({}));
        let raw = Raw { status, retry_after: None, body: body.as_bytes().to_vec() };
        Failure::from(ApiError::Refused(call.refusal(&raw))).to_string()
    }

    #[test]
    fn problems_are_shown_with_their_invalid_fields() {
        let text = refusal(
            400,
            r#"{"type":"urn:rialto:problem:invalid","title":"The request is invalid","status":400,"code":"invalid",
                "errors":[{"field":"lines[0].quantity","message":"must be 1 to 999"}]}"#,
        );
        assert_eq!(
            text,
            "POST /orders returned status 400: invalid: The request is invalid\n    lines[0].quantity must be 1 to 999\n  \
             Correct the fields listed above."
        );
    }

    #[test]
    fn responses_of_other_servers_show_the_url() {
        let text = refusal(404, "<html>nothing here");
        assert!(text.contains("returned status 404: <html>nothing here"), "{text}");
        assert!(text.contains("Check that http://127.0.0.1:1/x is the URL"), "{text}");
    }

    #[tokio::test]
    async fn unreachable_apis_are_reported() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Api::new(&url).unwrap().get("/health").read::<Value>().await.unwrap_err();
        let text = Failure::from(error).to_string();
        assert!(text.contains("doesn't body: Connection refused"), "{text}");
        assert!(text.contains("Run scripts/up"), "{text}");
    }

    #[tokio::test]
    async fn persistent_clients_repeat_after_server_errors() {
        let (url, server) = serve(vec![(502, ""), (500, ""), (200, r#"{"data":1}"#)]);
        let api = Api::new(&url).unwrap().persistent();
        assert_eq!(api.post("/a", json!({})).read::<u8>().await.unwrap(), 1);
        assert_eq!(server.received().len(), 3);
        let (url, server) = serve(vec![(502, ""), (200, r#"{"data":1}"#)]);
        assert!(Api::new(&url).unwrap().post("/a", json!({})).read::<u8>().await.is_err());
        assert_eq!(server.received().len(), 1);
    }

    #[tokio::test]
    async fn lists_are_read_to_the_last_page() {
        let (url, server) = serve(vec![
            (
                200,
                r#"{"data":[1,2],"pagination":{"limit":100,"next_cursor":"abc","has_more":true}}"#,
            ),
            (200, r#"{"data":[],"pagination":{"limit":100,"next_cursor":"def","has_more":true}}"#),
            (200, r#"{"data":[3],"pagination":{"limit":100,"next_cursor":null,"has_more":false}}"#),
        ]);
        let all: Vec<u8> = Api::new(&url).unwrap().get("/list").read_all().await.unwrap();
        assert_eq!(all, [1, 2, 3]);
        assert_eq!(
            server.received(),
            [
                "GET /list?limit=100",
                "GET /list?limit=100&cursor=abc",
                "GET /list?limit=100&cursor=def"
            ]
        );
    }

    #[tokio::test]
    async fn throttled_requests_are_retried_within_limits() {
        let (url, server) = serve(vec![(429, "{}"), (200, r#"{"data":"done"}"#)]);
        let call = Api::new(&url).unwrap();
        assert_eq!(call.post("/x", json!({"a": 1})).read::<String>().await.unwrap(), "done");
        assert_eq!(server.received(), [r#"POST /x{"a":1}"#; 2]);

        let (url, server) = serve(vec![(429, r#"{"code":"too_many_requests"}"#); 5]);
        let error = Api::new(&url).unwrap().get("/x").read::<Value>().await.unwrap_err();
        assert!(error.is("too_many_requests"));
        assert_eq!(server.received().len(), 5);
    }

    #[tokio::test]
    async fn logins_are_retried_while_unavailable() {
        let session = r#"{"data":{"access_token":"t","account_id":"a"}}"#;
        let (url, server) = serve(vec![(503, r#"{"code":"unavailable"}"#), (200, session)]);
        assert_eq!(Api::new(&url).unwrap().log_in("e", "p").await.unwrap().access_token, "t");
        assert_eq!(server.received().len(), 2);
    }

    #[test]
    fn only_idempotent_requests_are_retried() {
        let api = Api::new("http://127.0.0.1:1").unwrap();
        let post = || api.post("/x", json!({}));
        assert!(post().may_repeat(429));
        assert!(!post().may_repeat(503));
        assert!(post().key("k").may_repeat(503));
        assert!(api.get("/x").may_repeat(504));
        assert!(!api.get("/x").may_repeat(500));
        assert!(!api.put("/x", json!({})).may_repeat(409));
    }

    #[test]
    fn only_valid_urls_are_accepted() {
        assert!(Api::new("abc123.execute-api.eu-central-1.amazonaws.com/dev").is_err());
        assert_eq!(Api::new("https://a.example/dev/").unwrap().url(), "https://a.example/dev");
    }
}
