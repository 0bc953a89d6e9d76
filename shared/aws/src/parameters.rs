//! The SSM parameter store. Its default quota is 40 requests a second for the whole account, so
//! functions read the copy of [`SettingsMirror`](crate::SettingsMirror) instead.

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
}

/// SSM's limit.
const MAX_NAMES_PER_REQUEST: usize = 10;
/// The time limit of one request.
const TIME_LIMIT: Duration = Duration::from_secs(2);

impl ParameterStore {
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { client: SignedClient::new(aws, "ssm", "ssm", TIME_LIMIT) }
    }

    /// The values of these parameters by name, those that exist.
    ///
    /// # Errors
    /// [`ParameterError`] when the parameters can't be read.
    pub async fn get(&self, names: &[String]) -> Result<HashMap<String, String>, ParameterError> {
        let mut values = HashMap::new();
        for names in names.chunks(MAX_NAMES_PER_REQUEST) {
            let response = self.call("GetParameters", &json!({ "Names": names })).await?;
            for parameter in response["Parameters"].as_array().into_iter().flatten() {
                if let (Some(name), Some(value)) =
                    (parameter["Name"].as_str(), parameter["Value"].as_str())
                {
                    values.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        Ok(values)
    }

    /// Writes a parameter, replacing its value.
    ///
    /// # Errors
    /// [`ParameterError`] when it isn't known whether it was written.
    pub async fn put(&self, parameter: &Parameter<'_>) -> Result<(), ParameterError> {
        let request = json!({
            "Name": parameter.name, "Value": parameter.value, "Description": parameter.description,
            "Type": "String", "Overwrite": true,
        });
        self.call("PutParameter", &request).await.map(drop)
    }

    async fn call(&self, action: &str, request: &Value) -> Result<Value, ParameterError> {
        let response = self.client.send(&format!("AmazonSSM.{action}"), request).await;
        response.map_err(|error| ParameterError(error.to_string()))
    }
}
