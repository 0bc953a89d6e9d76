//! The parameter store, by the two requests that Rialto makes of it.

use crate::{SdkConfig, signed::SignedClient};
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};

/// Parameters can't be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the parameter store: {0}")]
pub struct ParameterError(String);

/// The parameter store of an account and region. Clones share their connections.
#[derive(Debug, Clone)]
pub struct ParameterStore {
    client: SignedClient,
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
/// What one request may take.
const TIME_LIMIT: Duration = Duration::from_secs(2);

impl ParameterStore {
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { client: SignedClient::new(aws, "ssm", "ssm", TIME_LIMIT) }
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
            let answer = self
                .ask("GetParameters", &json!({ "Names": names, "WithDecryption": decrypt }))
                .await?;
            for parameter in answer["Parameters"].as_array().into_iter().flatten() {
                if let (Some(name), Some(value)) =
                    (parameter["Name"].as_str(), parameter["Value"].as_str())
                {
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

    async fn ask(&self, action: &str, request: &Value) -> Result<Value, ParameterError> {
        let answer = self.client.send(&format!("AmazonSSM.{action}"), request).await;
        answer.map_err(|error| ParameterError(error.to_string()))
    }
}
