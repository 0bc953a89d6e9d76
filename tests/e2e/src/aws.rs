//! The AWS services behind the shop.

use crate::{
    http::{HttpClient, HttpResponse},
    local::Local,
};
use rialto_aws::{SdkConfig, Stage};
use serde_json::{Value, json};

/// Clients of the deployment's AWS services. Services without an SDK client here are called over
/// plain HTTP.
#[derive(Debug, Clone)]
pub struct Aws {
    pub config: SdkConfig,
    pub events: aws_sdk_eventbridge::Client,
    pub queues: aws_sdk_sqs::Client,
    pub stage: Stage,
    endpoint: HttpClient,
}

impl Aws {
    pub fn open(local: &Local) -> Self {
        let config = rialto_aws::emulator_config(&local.aws_endpoint);
        Self {
            events: aws_sdk_eventbridge::Client::new(&config),
            queues: aws_sdk_sqs::Client::new(&config),
            config,
            stage: local.stage(),
            endpoint: HttpClient::new(&local.aws_endpoint),
        }
    }

    /// Calls an action of CloudWatch Logs.
    pub(crate) async fn logs(&self, action: &str, input: &Value) -> Value {
        self.action("logs", &format!("Logs_20140328.{action}"), input).await
    }

    /// A secret's text, by its full name.
    pub(crate) async fn secret(&self, name: &str) -> String {
        let input = json!({ "SecretId": name });
        let response = self.action("secretsmanager", "secretsmanager.GetSecretValue", &input).await;
        response["SecretString"].as_str().expect("a secret has a text").to_owned()
    }

    async fn action(&self, service: &str, target: &str, input: &Value) -> Value {
        let call = self.endpoint.request("POST", "/").header("authorization", credentials(service));
        let call = call.header("x-amz-target", target);
        call.body("application/x-amz-json-1.1", input.to_string()).send().await.expect(200).json()
    }

    /// Reads one of the emulator's own paths.
    pub(crate) async fn emulator(&self, path: &str) -> Value {
        self.endpoint.request("GET", path).send().await.expect(200).json()
    }

    /// Invokes one of the deployment's functions and returns its response.
    ///
    /// # Panics
    /// If the function fails.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Value {
        let name = format!("rialto-{}-{function}", self.stage);
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let call =
            self.endpoint.request("POST", path).header("authorization", credentials("lambda"));
        let response: HttpResponse = call.json(payload).send().await.expect(200);
        assert_eq!(response.header("x-amz-function-error"), None, "{response}");
        response.json()
    }

    /// Invokes a consumer with these bodies as one batch, with message ids from `0`, and returns
    /// the ids of the messages that failed.
    pub async fn consume(&self, consumer: &str, bodies: &[String]) -> Vec<String> {
        let record = |(at, body): (usize, &String)| {
            json!({
                "messageId": at.to_string(),
                "receiptHandle": at.to_string(),
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": self.queue_arn(consumer),
                "awsRegion": REGION,
            })
        };
        let records: Vec<Value> = bodies.iter().enumerate().map(record).collect();
        let response = self.invoke(consumer, &json!({ "Records": records })).await;
        let failures = response["batchItemFailures"].as_array().cloned().unwrap_or_default();
        failures
            .iter()
            .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
            .collect()
    }

    pub async fn queue_url(&self, queue: &str) -> String {
        let name = format!("rialto-{}-{queue}", self.stage);
        let response =
            self.queues.get_queue_url().queue_name(name).send().await.expect("the queue exists");
        response.queue_url.unwrap()
    }

    fn queue_arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{REGION}:000000000000:rialto-{}-{queue}", self.stage)
    }
}

const REGION: &str = "eu-central-1";

/// Emulators don't check signatures, but read the region from them.
fn credentials(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}
