//! Secrets Manager, by the three requests that Rialto makes of it.

use crate::{
    SdkConfig,
    signed::{JsonError, SignedClient},
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::time::Duration;

/// What one request may take.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Secrets can't be read or written. Says nothing of the secrets themselves.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Secrets Manager: {0}")]
pub struct SecretError(String);

/// The secrets of an account and region. Clones share their connections.
#[derive(Debug, Clone)]
pub struct SecretStore {
    client: SignedClient,
}

impl SecretStore {
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { client: SignedClient::new(aws, "secretsmanager", "secretsmanager", TIME_LIMIT) }
    }

    /// A secret's text, if there is such a secret.
    ///
    /// # Errors
    /// [`SecretError`] when the store doesn't tell.
    pub async fn get(&self, name: &str) -> Result<Option<String>, SecretError> {
        match self.ask("GetSecretValue", &json!({ "SecretId": name })).await {
            Ok(answer) => Ok(answer["SecretString"].as_str().map(str::to_owned)),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Keeps a new secret; tells whether it does, or there is one of this name.
    ///
    /// # Errors
    /// [`SecretError`] when it isn't known.
    pub async fn create(
        &self,
        name: &str,
        description: &str,
        text: &str,
    ) -> Result<bool, SecretError> {
        let request = json!({
            "Name": name, "Description": description, "SecretString": text, "ClientRequestToken": token(text),
        });
        match self.ask("CreateSecret", &request).await {
            Ok(_) => Ok(true),
            Err(error) if error.is("ResourceExistsException") => Ok(false),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Keeps another text in a secret that is there.
    ///
    /// # Errors
    /// [`SecretError`] when it isn't known which it keeps.
    pub async fn put(&self, name: &str, text: &str) -> Result<(), SecretError> {
        let request =
            json!({ "SecretId": name, "SecretString": text, "ClientRequestToken": token(text) });
        self.ask("PutSecretValue", &request).await.map(drop).map_err(|error| refused(&error))
    }

    async fn ask(&self, action: &str, request: &Value) -> Result<Value, JsonError> {
        self.client.send(&format!("secretsmanager.{action}"), request).await
    }
}

fn refused(error: &JsonError) -> SecretError {
    SecretError(error.to_string())
}

/// Makes a request that is sent twice count once.
fn token(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
