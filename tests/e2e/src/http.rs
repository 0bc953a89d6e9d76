//! HTTP requests and responses as sent on the wire, so that tests can also send malformed requests.

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorSettings},
    orchestrator::HttpRequest as SdkRequest,
};
use aws_smithy_types::{
    body::SdkBody, byte_stream::ByteStream, error::display::DisplayErrorContext,
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Concurrent requests of one client. The emulator runs a process for each.
const CONCURRENCY: usize = 32;

/// A client of one base URL.
#[derive(Debug, Clone)]
pub struct HttpClient {
    base: String,
    connector: Arc<Connector>,
    permits: Arc<Semaphore>,
}

/// A request under construction.
#[derive(Debug, Clone)]
#[must_use]
pub struct HttpRequest {
    http: HttpClient,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

/// A response with any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// Method and path of the request, such as `POST /users`.
    request: String,
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpClient {
    pub fn new(base: &str) -> Self {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build();
        let base = base.trim_end_matches('/').to_owned();
        Self {
            base,
            connector: Arc::new(connector),
            permits: Arc::new(Semaphore::new(CONCURRENCY)),
        }
    }

    pub fn request(&self, method: &'static str, path: impl Into<String>) -> HttpRequest {
        HttpRequest {
            http: self.clone(),
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
        }
    }
}

impl HttpRequest {
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self.header("content-type", media_type) }
    }

    /// # Panics
    /// If there is no response.
    pub async fn send(self) -> HttpResponse {
        let request = format!("{} {}", self.method, self.path);
        let _permit = self.http.permits.acquire().await.expect("the semaphore is never closed");
        let mut sdk_request = SdkRequest::new(self.body.map_or_else(SdkBody::empty, SdkBody::from));
        sdk_request.set_method(self.method).expect("a method");
        sdk_request.set_uri(format!("{}{}", self.http.base, self.path)).expect("a URI");
        for (name, value) in self.headers {
            sdk_request.headers_mut().try_append(name, value).expect("a header");
        }
        let response = self.http.connector.call(sdk_request).await;
        let response =
            response.unwrap_or_else(|error| panic!("{request}: {}", DisplayErrorContext(error)));
        let status = response.status().as_u16();
        let header = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.to_owned());
        let headers = response.headers().iter().map(header).collect();
        let body = ByteStream::new(response.into_body()).collect().await;
        let body = body.unwrap_or_else(|error| panic!("{request}: {}", DisplayErrorContext(error)));
        HttpResponse { request, status, headers, body: body.to_vec() }
    }
}

impl HttpResponse {
    /// The value of a header; its name is compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// Unless the body is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// # Panics
    /// Unless the response has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The `data` of a successful response.
    ///
    /// # Panics
    /// Unless the response has this status, and `data`.
    #[track_caller]
    pub fn data(self, status: u16) -> Value {
        let response = self.expect(status);
        assert_eq!(response.header("content-type"), Some("application/json"), "{response}");
        let mut body = response.json();
        assert!(body.get("data").is_some(), "{response}");
        body["data"].take()
    }

    /// Ok if the response is this problem and its `errors` name exactly these fields; otherwise a
    /// description of the difference.
    pub fn is_problem(&self, status: u16, code: &str, fields: &[&str]) -> Result<(), String> {
        let mismatch =
            |what: &str| Err(format!("{what}, expected {status} {code} {fields:?}: {self}"));
        if self.status != status {
            return mismatch("different status");
        }
        if self.header("content-type") != Some("application/problem+json") {
            return mismatch("different media type");
        }
        let Ok(problem) = serde_json::from_slice::<Value>(&self.body) else {
            return mismatch("not JSON");
        };
        let is_well_formed = problem["status"] == status
            && problem["type"] == format!("urn:rialto:problem:{code}")
            && problem["title"].as_str().is_some_and(|title| !title.is_empty());
        if !is_well_formed || problem["code"] != code {
            return mismatch("different problem");
        }
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let has_messages = errors
            .iter()
            .all(|error| error["message"].as_str().is_some_and(|text| !text.is_empty()));
        let mut named: Vec<&str> =
            errors.iter().filter_map(|error| error["field"].as_str()).collect();
        let mut expected = fields.to_vec();
        named.sort_unstable();
        expected.sort_unstable();
        if has_messages && named == expected { Ok(()) } else { mismatch("different fields") }
    }

    /// The body of a problem without field errors.
    ///
    /// # Panics
    /// Unless the response is this problem.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let problem = self.is_problem(status, code, &[]);
        assert_eq!(problem, Ok(()));
        self.json()
    }
}

impl std::fmt::Display for HttpResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = self.text().chars().take(2_000).collect();
        let media_type = self.header("content-type").unwrap_or("no content-type");
        write!(f, "{} returned {} ({media_type}): {body}", self.request, self.status)
    }
}
