//! What a consumer does with messages that it received: SQS itself only invokes it.

use crate::{SdkConfig, signed::SignedClient};
use serde_json::{Value, json};
use std::time::Duration;

/// SQS in an account and region. Clones share their connections.
#[derive(Debug, Clone)]
pub struct QueueClient {
    client: SignedClient,
}

/// The request failed, or failed for some of the messages.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue: {0}")]
pub struct QueueError(String);

/// SQS's limit.
const MAX_ENTRIES_PER_REQUEST: usize = 10;
/// The time limit of one request.
const TIME_LIMIT: Duration = Duration::from_secs(1);

impl QueueClient {
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { client: SignedClient::new(aws, "sqs", "sqs", TIME_LIMIT) }
    }

    /// Hides received messages of a queue, by receipt handle, for these numbers of seconds from
    /// now.
    ///
    /// # Errors
    /// [`QueueError`] when some of them may become visible at another time.
    pub async fn set_visibility(
        &self,
        queue_arn: &str,
        messages: &[(&str, u64)],
    ) -> Result<(), QueueError> {
        let entries = messages.iter().map(
            |(receipt, seconds)| json!({ "ReceiptHandle": receipt, "VisibilityTimeout": seconds }),
        );
        self.send("ChangeMessageVisibilityBatch", queue_arn, entries.collect()).await
    }

    /// Deletes received messages of a queue, by receipt handle.
    ///
    /// # Errors
    /// [`QueueError`] when some of them may be delivered again.
    pub async fn delete(&self, queue_arn: &str, receipts: &[&str]) -> Result<(), QueueError> {
        let entries = receipts.iter().map(|receipt| json!({ "ReceiptHandle": receipt })).collect();
        self.send("DeleteMessageBatch", queue_arn, entries).await
    }

    async fn send(
        &self,
        action: &str,
        queue_arn: &str,
        mut entries: Vec<Value>,
    ) -> Result<(), QueueError> {
        let url = self.queue_url(queue_arn)?;
        for (at, entry) in entries.iter_mut().enumerate() {
            entry["Id"] = Value::from(at.to_string());
        }
        for entries in entries.chunks(MAX_ENTRIES_PER_REQUEST) {
            let request = json!({ "QueueUrl": url, "Entries": entries });
            let response = self.client.send(&format!("AmazonSQS.{action}"), &request).await;
            let response = response.map_err(|error| QueueError(error.to_string()))?;
            if let Some(failed) = response["Failed"].as_array().and_then(|failed| failed.first()) {
                return Err(QueueError(failed["Code"].as_str().unwrap_or_default().to_owned()));
            }
        }
        Ok(())
    }

    fn queue_url(&self, arn: &str) -> Result<String, QueueError> {
        let mut parts = arn.split(':').skip(4);
        match (parts.next(), parts.next()) {
            (Some(account), Some(name)) => {
                Ok(format!("{}/{account}/{name}", self.client.endpoint()))
            }
            _ => Err(QueueError(format!("{arn} isn't the ARN of a queue"))),
        }
    }
}
