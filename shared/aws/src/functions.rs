//! Invoking functions of the same stage.

use crate::{
    SdkConfig, Stage,
    signed::{SignedClient, is_transient},
};
use serde_json::Value;
use std::time::Duration;

/// The functions of a stage. Clones share their connections.
#[derive(Debug, Clone)]
pub struct LambdaClient {
    client: SignedClient,
    stage: Stage,
}

/// The invocation failed. Contains nothing of a function's own error, which may be personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    #[error("{function} can't be reached: {reason}")]
    Unreached { function: String, reason: String },
    #[error("{0} failed")]
    Failed(String),
}

impl LambdaClient {
    /// Responses that take longer than `limit` are given up.
    #[must_use]
    pub fn new(aws: &SdkConfig, stage: &Stage, limit: Duration) -> Self {
        Self { client: SignedClient::new(aws, "lambda", "lambda", limit), stage: stage.clone() }
    }

    /// Invokes `function` and returns its response.
    ///
    /// # Errors
    /// [`InvokeError`]; it isn't known then whether the function ran.
    pub async fn invoke(&self, function: &str, payload: &str) -> Result<Value, InvokeError> {
        let unreached = |reason| InvokeError::Unreached { function: function.to_owned(), reason };
        let path = format!("/2015-03-31/functions/{}/invocations", self.stage.function(function));
        let headers =
            [("content-type", "application/json"), ("x-amz-invocation-type", "RequestResponse")];
        let response = self.client.post(&path, &headers, payload).await;
        let response = response.map_err(|error| unreached(error.to_string()))?;
        if response.status != 200 {
            return Err(unreached(format!("status {}", response.status)));
        }
        if response.function_error.is_some() {
            return Err(InvokeError::Failed(function.to_owned()));
        }
        serde_json::from_slice(&response.body).map_err(|error| unreached(error.to_string()))
    }

    /// Invokes `function` asynchronously. Lambda retries it if it fails, and may run it twice, as a
    /// repeated request does.
    ///
    /// # Errors
    /// [`InvokeError::Unreached`]; it isn't known then whether the function will run.
    pub async fn invoke_async(&self, function: &str, payload: &str) -> Result<(), InvokeError> {
        let unreached = |reason| InvokeError::Unreached { function: function.to_owned(), reason };
        let path = format!("/2015-03-31/functions/{}/invocations", self.stage.function(function));
        let headers = [("content-type", "application/json"), ("x-amz-invocation-type", "Event")];
        let response = self.client.post_with_retries(&path, &headers, payload, is_transient).await;
        let response = response.map_err(|error| unreached(error.to_string()))?;
        if response.status == 202 {
            Ok(())
        } else {
            Err(unreached(format!("status {}", response.status)))
        }
    }
}
