//! HTTP requests and responses as sent on the wire, so that tests can also send malformed requests.

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorSettings},
    orchestrator::HttpRequest,
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
pub struct Http {
    base: String,
    connector: Arc<Connector>,
    free: Arc<Semaphore>,
}

/// A request under construction.
#[derive(Debug, Clone)]
#[must_use]
pub struct Call {
    http: Http,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

/// A response with any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Method and path of the request, such as `POST /users`.
    call: String,
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Http {
    pub fn to(base: &str) -> Self {
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
        Self { base, connector: Arc::new(connector), free: Arc::new(Semaphore::new(CONCURRENCY)) }
    }

    pub fn call(&self, method: &'static str, path: impl Into<String>) -> Call {
        Call { http: self.clone(), method, path: path.into(), headers: Vec::new(), body: None }
    }
}

impl Call {
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
    pub async fn send(self) -> Answer {
        let call = format!("{} {}", self.method, self.path);
        let _place = self.http.free.acquire().await.expect("nobody closes it");
        let mut request = HttpRequest::new(self.body.map_or_else(SdkBody::empty, SdkBody::from));
        request.set_method(self.method).expect("a method");
        request.set_uri(format!("{}{}", self.http.base, self.path)).expect("a URI");
        for (name, value) in self.headers {
            request.headers_mut().try_append(name, value).expect("a header");
        }
        let response = self.http.connector.call(request).await;
        let response =
            response.unwrap_or_else(|error| panic!("{call}: {}", DisplayErrorContext(error)));
        let status = response.status().as_u16();
        let header = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.to_owned());
        let headers = response.headers().iter().map(header).collect();
        let body = ByteStream::new(response.into_body()).collect().await;
        let body = body.unwrap_or_else(|error| panic!("{call}: {}", DisplayErrorContext(error)));
        Answer { call, status, headers, body: body.to_vec() }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
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
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer}");
        let mut whole = answer.json();
        assert!(whole.get("data").is_some(), "{answer}");
        whole["data"].take()
    }

    /// Ok if the response is this problem and its `errors` name exactly these fields; otherwise a
    /// description of the difference.
    pub fn is_problem(&self, status: u16, code: &str, fields: &[&str]) -> Result<(), String> {
        let told =
            |what: &str| Err(format!("{what}, instead of {status} {code} {fields:?}: {self}"));
        if self.status != status {
            return told("another status");
        }
        if self.header("content-type") != Some("application/problem+json") {
            return told("another media type");
        }
        let Ok(problem) = serde_json::from_slice::<Value>(&self.body) else {
            return told("no JSON");
        };
        let form = problem["status"] == status
            && problem["type"] == format!("urn:rialto:problem:{code}")
            && problem["title"].as_str().is_some_and(|title| !title.is_empty());
        if !form || problem["code"] != code {
            return told("another problem");
        }
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let said = errors
            .iter()
            .all(|error| error["message"].as_str().is_some_and(|text| !text.is_empty()));
        let mut named: Vec<&str> =
            errors.iter().filter_map(|error| error["field"].as_str()).collect();
        let mut wanted = fields.to_vec();
        named.sort_unstable();
        wanted.sort_unstable();
        if said && named == wanted { Ok(()) } else { told("other fields") }
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

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = self.text().chars().take(2_000).collect();
        let media_type = self.header("content-type").unwrap_or("no content-type");
        write!(f, "{} answered {} ({media_type}): {body}", self.call, self.status)
    }
}
