//! Invoking a function of the same stage, by IAM.

use crate::{SdkConfig, Stage, signed::SignedClient};
use serde_json::Value;
use std::time::Duration;

/// The functions of a stage. Clones share their connections.
#[derive(Debug, Clone)]
pub struct LambdaClient {
    client: SignedClient,
    stage: Stage,
}

/// There is no answer. Nothing a function failed with is in here: it may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    #[error("{function} can't be reached: {reason}")]
    Unreached { function: String, reason: String },
    #[error("{0} failed")]
    Failed(String),
}

impl LambdaClient {
    /// An answer that takes longer than `limit` is given up.
    #[must_use]
    pub fn new(aws: &SdkConfig, stage: &Stage, limit: Duration) -> Self {
        Self { client: SignedClient::new(aws, "lambda", "lambda", limit), stage: stage.clone() }
    }

    /// What `function` makes of `payload`.
    ///
    /// # Errors
    /// [`InvokeError`]; whether the function did its work isn't known then.
    pub async fn invoke(&self, function: &str, payload: &str) -> Result<Value, InvokeError> {
        let unreached = |reason| InvokeError::Unreached { function: function.to_owned(), reason };
        let path = format!("/2015-03-31/functions/{}/invocations", self.stage.function(function));
        let headers =
            [("content-type", "application/json"), ("x-amz-invocation-type", "RequestResponse")];
        let answer = self.client.post(&path, &headers, payload).await.map_err(unreached)?;
        if answer.status != 200 {
            return Err(unreached(format!("status {}", answer.status)));
        }
        if answer.function_error.is_some() {
            return Err(InvokeError::Failed(function.to_owned()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| unreached(error.to_string()))
    }

    /// Hands `payload` over to `function`, and waits for nothing else. Lambda tries it again if it fails.
    ///
    /// # Errors
    /// [`InvokeError::Unreached`]; whether it is handed over isn't known then.
    pub async fn invoke_async(&self, function: &str, payload: &str) -> Result<(), InvokeError> {
        let unreached = |reason| InvokeError::Unreached { function: function.to_owned(), reason };
        let path = format!("/2015-03-31/functions/{}/invocations", self.stage.function(function));
        let headers = [("content-type", "application/json"), ("x-amz-invocation-type", "Event")];
        let answer = self.client.post(&path, &headers, payload).await.map_err(unreached)?;
        if answer.status == 202 {
            Ok(())
        } else {
            Err(unreached(format!("status {}", answer.status)))
        }
    }
}
