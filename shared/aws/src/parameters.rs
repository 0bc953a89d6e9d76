//! The parameter store, by the three requests that Rialto makes of it.
//!
//! `aws-sdk-ssm` knows a hundred and fifty; it would be a tenth of each function's size and a fifth of the time that building
//! them takes.

use crate::{SdkConfig, http};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::{
    client::{http::HttpConnector, orchestrator::HttpRequest},
    http::Response,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

/// Parameters can't be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the parameter store: {0}")]
pub struct ParameterError(String);

/// The parameter store of an account and region. Clones share their connections.
#[derive(Debug, Clone)]
pub struct ParameterStore {
    region: String,
    endpoint: String,
    credentials: Option<SharedCredentialsProvider>,
    connector: Arc<OnceLock<Connector>>,
}

/// A parameter to write.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    pub name: &'a str,
    pub value: &'a str,
    pub description: &'a str,
    /// Encrypted at rest.
    pub secret: bool,
}

/// The parameter store's own limit.
const NAMES_A_REQUEST: usize = 10;
const TRIES: u32 = 3;

impl ParameterStore {
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        let region = aws.region().map(ToString::to_string).unwrap_or_default();
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = aws
            .endpoint_url()
            .map_or_else(|| format!("https://ssm.{region}.amazonaws.com{suffix}"), str::to_owned);
        Self { region, endpoint, credentials: aws.credentials_provider(), connector: Arc::default() }
    }

    /// The values of those of these parameters that exist, by name. Secret ones in the clear only with `decrypt`.
    ///
    /// # Errors
    /// [`ParameterError`] when the store doesn't tell.
    pub async fn get(
        &self,
        names: &[String],
        decrypt: bool,
    ) -> Result<HashMap<String, String>, ParameterError> {
        let mut values = HashMap::new();
        for names in names.chunks(NAMES_A_REQUEST) {
            let answer =
                self.ask("GetParameters", &json!({ "Names": names, "WithDecryption": decrypt })).await?;
            for parameter in answer["Parameters"].as_array().into_iter().flatten() {
                if let (Some(name), Some(value)) = (parameter["Name"].as_str(), parameter["Value"].as_str()) {
                    values.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        Ok(values)
    }

    /// Writes a parameter, over what it was.
    ///
    /// # Errors
    /// [`ParameterError`] when the store doesn't take it.
    pub async fn put(&self, parameter: &Parameter<'_>) -> Result<(), ParameterError> {
        let kind = if parameter.secret { "SecureString" } else { "String" };
        let request = json!({
            "Name": parameter.name, "Value": parameter.value, "Description": parameter.description,
            "Type": kind, "Overwrite": true,
        });
        self.ask("PutParameter", &request).await.map(drop)
    }

    /// Asks up to three times; what the store itself refuses isn't repeated.
    async fn ask(&self, action: &str, request: &Value) -> Result<Value, ParameterError> {
        let body = request.to_string();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.ask_once(action, &body).await {
                Ok(answer) => return Ok(answer),
                Err((error, false)) => return Err(error),
                Err((error, true)) if tries == TRIES => return Err(error),
                Err((_, true)) => tokio::time::sleep(Duration::from_millis(50 << tries)).await,
            }
        }
    }

    /// The answer, or why there is none and whether to ask again.
    async fn ask_once(&self, action: &str, body: &str) -> Result<Value, (ParameterError, bool)> {
        let again = |error: &dyn std::fmt::Display| (ParameterError(error.to_string()), true);
        let request = self.signed(action, body).await.map_err(|error| (error, false))?;
        let connector = self.connector.get_or_init(http::connector);
        let answer = connector.call(request).await.map_err(|error| again(&error))?;
        let (status, answer) = read(answer).await.map_err(|error| again(&error))?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let kind = answer["__type"].as_str().unwrap_or_default().to_owned();
        let retry = status >= 500 || kind.contains("Throttling");
        Err((ParameterError(format!("{action}: status {status} {kind}")), retry))
    }

    async fn signed(&self, action: &str, body: &str) -> Result<HttpRequest, ParameterError> {
        let failed = |error: &dyn std::fmt::Display| ParameterError(error.to_string());
        let provider =
            self.credentials.as_ref().ok_or_else(|| ParameterError("no credentials".to_owned()))?;
        let identity = provider.provide_credentials().await.map_err(|error| failed(&error))?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ssm")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let url = format!("{}/", self.endpoint.trim_end_matches('/'));
        let target = format!("AmazonSSM.{action}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let signable =
            SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signable = signable.map_err(|error| failed(&error))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| failed(&error))?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| failed(&error))?;
        request.set_uri(url).map_err(|error| failed(&error))?;
        let into = request.headers_mut();
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            into.try_insert(name.to_owned(), value.to_owned()).map_err(|error| failed(&error))?;
        }
        Ok(request)
    }
}

async fn read(answer: Response<SdkBody>) -> Result<(u16, Value), String> {
    use http_body_util::BodyExt;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
