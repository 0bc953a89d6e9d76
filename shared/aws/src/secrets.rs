//! Secrets Manager.

use crate::{
    SdkConfig,
    random::random_hex,
    signed::{JsonError, SignedClient},
};
use serde_json::{Value, json};
use std::time::Duration;

/// The time limit of one request.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// A secret can't be read or written. Contains nothing of the secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Secrets Manager: {0}")]
pub struct SecretError(String);

/// The secrets of an account and region. Clones share their connections.
///
/// Each write has a random idempotency token, which its retries share. One derived from the value
/// would make Secrets Manager ignore the return to an earlier value.
#[derive(Debug, Clone)]
pub struct SecretStore {
    client: SignedClient,
}

impl SecretStore {
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { client: SignedClient::new(aws, "secretsmanager", "secretsmanager", TIME_LIMIT) }
    }

    /// The value of a secret, if it exists.
    ///
    /// # Errors
    /// [`SecretError`] when it can't be read.
    pub async fn get(&self, name: &str) -> Result<Option<String>, SecretError> {
        match self.call("GetSecretValue", &json!({ "SecretId": name })).await {
            Ok(response) => Ok(response["SecretString"].as_str().map(str::to_owned)),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(secret_error(&error)),
        }
    }

    /// Whether a secret has a value. Reading it takes another permission.
    ///
    /// # Errors
    /// [`SecretError`] when it isn't known.
    pub async fn exists(&self, name: &str) -> Result<bool, SecretError> {
        match self.call("DescribeSecret", &json!({ "SecretId": name })).await {
            Ok(_) => Ok(true),
            Err(error) if error.is("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(secret_error(&error)),
        }
    }

    /// Creates a secret; `false` if one with this name exists.
    ///
    /// # Errors
    /// [`SecretError`] when it isn't known whether it was created.
    pub async fn create(
        &self,
        name: &str,
        description: &str,
        text: &str,
    ) -> Result<bool, SecretError> {
        let request = json!({
            "Name": name, "Description": description, "SecretString": text, "ClientRequestToken": random_hex(),
        });
        match self.call("CreateSecret", &request).await {
            Ok(_) => Ok(true),
            Err(error) if error.is("ResourceExistsException") => Ok(false),
            Err(error) => Err(secret_error(&error)),
        }
    }

    /// Replaces the value of an existing secret.
    ///
    /// # Errors
    /// [`SecretError`] when it isn't known whether it was replaced.
    pub async fn put(&self, name: &str, text: &str) -> Result<(), SecretError> {
        let request = json!({
            "SecretId": name, "SecretString": text, "ClientRequestToken": random_hex(),
        });
        self.call("PutSecretValue", &request).await.map(drop).map_err(|error| secret_error(&error))
    }

    async fn call(&self, action: &str, request: &Value) -> Result<Value, JsonError> {
        self.client.send(&format!("secretsmanager.{action}"), request).await
    }
}

fn secret_error(error: &JsonError) -> SecretError {
    SecretError(error.to_string())
}
