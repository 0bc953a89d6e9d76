//! A recorded call: its caller, its operation, and the ids it contains.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A call as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Consecutive number, from 1, since the proxy was started.
    pub number: u64,
    /// The function's name without the stage's prefix; `None` if the caller isn't a function.
    pub function: Option<String>,
    pub pid: Option<u32>,
    /// `dynamodb`, `events`, `sqs`, `ssm`, `secretsmanager`, `lambda`, `provider`, or `http` for
    /// everything else.
    pub service: String,
    /// For example `PutItem`, or for plain HTTP `POST /v1/payment_intents/*/confirm`.
    pub operation: String,
    /// All ids in the request, and those in the request that created the payment it names.
    pub ids: BTreeSet<String>,
    /// The id of the rule that fired.
    pub rule: Option<String>,
    /// The status of the response; `None` while there is none.
    pub status: Option<u16>,
}

/// The service and the operation of a request.
pub(crate) fn service_and_operation(
    method: &str,
    path: &str,
    target: Option<&str>,
) -> (String, String) {
    if let Some((service, operation)) = target.and_then(|target| target.rsplit_once('.')) {
        let service = match service {
            "DynamoDB_20120810" => "dynamodb",
            "AWSEvents" => "events",
            "AmazonSQS" => "sqs",
            "AmazonSSM" => "ssm",
            other => other,
        };
        return (service.to_owned(), operation.to_owned());
    }
    if let Some(function) = path.strip_prefix("/2015-03-31/functions/") {
        return ("lambda".to_owned(), function.trim_end_matches("/invocations").to_owned());
    }
    match path.find("/v1/payment_intents").or_else(|| path.find("/v1/refunds")) {
        Some(at) => ("provider".to_owned(), format!("{method} {}", without_ids(&path[at..]))),
        None => ("http".to_owned(), format!("{method} {path}")),
    }
}

fn without_ids(path: &str) -> String {
    let segments =
        path.split('/').map(|segment| if ids(segment).is_empty() { segment } else { "*" });
    segments.collect::<Vec<_>>().join("/")
}

/// All ids in a text, such as `ord_01…`: two to four lower-case letters, an underscore, and at
/// least ten letters and digits.
pub(crate) fn ids(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c)).filter_map(id).collect()
}

fn id(word: &str) -> Option<String> {
    let (before, after) = word.split_once('_')?;
    let letters = before.len() - before.trim_end_matches(|c: char| c.is_ascii_lowercase()).len();
    let prefix = &before[before.len() - letters..];
    let is_id = (2..=4).contains(&letters)
        && after.len() >= 10
        && after.chars().all(|c| c.is_ascii_alphanumeric());
    is_id.then(|| format!("{prefix}_{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_json_forms_and_paths() {
        let text = r#"{"pk":{"S":"ORDER#ord_01ABCDEFGHJK"},"x":"payment_method"} key=order%3Aord_01BBBBBBBBBB&a"#;
        assert_eq!(ids(text), ["ord_01ABCDEFGHJK", "ord_01BBBBBBBBBB"].map(str::to_owned).into());
    }

    #[test]
    fn calls_are_named_by_target_or_path() {
        let name = |path, target| service_and_operation("POST", path, target);
        let owned = |service: &str, operation: &str| (service.to_owned(), operation.to_owned());
        assert_eq!(name("/", Some("DynamoDB_20120810.PutItem")), owned("dynamodb", "PutItem"));
        assert_eq!(name("/", Some("AWSEvents.PutEvents")), owned("events", "PutEvents"));
        let confirm = "/_aws/execute-api/x/local/v1/payment_intents/pi_0123456789ab/confirm";
        assert_eq!(name(confirm, None), owned("provider", "POST /v1/payment_intents/*/confirm"));
        let invoked = "/2015-03-31/functions/rialto-local-orders-answer-services/invocations";
        assert_eq!(name(invoked, None), owned("lambda", "rialto-local-orders-answer-services"));
        assert_eq!(name("/_localstack/health", None), owned("http", "POST /_localstack/health"));
    }
}
