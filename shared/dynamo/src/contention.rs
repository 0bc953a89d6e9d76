//! Retries for throttling and transaction conflicts.

use aws_sdk_dynamodb::{
    config::{Builder, interceptors::InterceptorContext, retry::RetryConfig},
    error::ProvideErrorMetadata,
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError,
    },
};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use std::time::Duration;

/// The attempts of a request. If the table refuses every second one, 255 of 256 requests succeed.
const MAX_ATTEMPTS: u32 = 8;
/// The upper limit of the first pause, doubled with each attempt. Pauses are random.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Configures a client to repeat requests that met contention, with pauses of about a second in
/// total.
pub(crate) fn with_contention_retries(config: Builder) -> Builder {
    let retries = RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS);
    let retries = retries.with_initial_backoff(FIRST_PAUSE).with_max_backoff(LONGEST_PAUSE);
    config.retry_config(retries).retry_classifier(ContentionClassifier)
}

/// Classifies a single write's conflict with a transaction as retryable: it changed nothing. The
/// SDK doesn't retry it by itself.
#[derive(Debug)]
struct ContentionClassifier;

pub(crate) const TRANSACTION_CONFLICT: &str = "TransactionConflictException";

impl ClassifyRetry for ContentionClassifier {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context.output_or_error().and_then(Result::err);
        let Some(error) = failed.and_then(|error| error.as_operation_error()) else {
            return RetryAction::NoActionIndicated;
        };
        let code = error
            .downcast_ref::<PutItemError>()
            .map(ProvideErrorMetadata::code)
            .or_else(|| error.downcast_ref::<UpdateItemError>().map(ProvideErrorMetadata::code))
            .or_else(|| error.downcast_ref::<DeleteItemError>().map(ProvideErrorMetadata::code));
        match code.flatten() {
            Some(TRANSACTION_CONFLICT) => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "ContentionClassifier"
    }
}

#[cfg(test)]
mod tests {
    use crate::{Item, Key, Precondition, Table};
    use rialto_kernel::{StoreError, Write};
    use rialto_testkit::http::{RecordedRequest, StubResponse, serve, serve_in_order};
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    const CONFLICT: &str = "com.amazonaws.dynamodb.v20120810#TransactionConflictException";
    const THROTTLED: &str =
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";

    /// A table that rejects the first requests with `error`, and the number of requests it got.
    fn busy(rejections: u32, error: &'static str) -> (Table, Arc<AtomicU32>) {
        let requests = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&requests);
        let endpoint = serve(move |_| {
            let rejected = count.fetch_add(1, Ordering::Relaxed) < rejections;
            Some(match rejected {
                true => {
                    StubResponse::new(400, format!(r#"{{"__type":"{error}","message":"busy"}}"#))
                }
                false => StubResponse::new(200, "{}"),
            })
        });
        (Table::named(&rialto_aws::emulator_config(&endpoint), "busy".to_owned()), requests)
    }

    #[tokio::test]
    async fn writes_are_retried_after_transaction_conflicts() {
        let (table, requests) = busy(5, CONFLICT);
        let put = table.put(Item::new(), Precondition::Absent).await;
        assert_eq!(put.unwrap(), Write::Done);
        assert_eq!(requests.load(Ordering::Relaxed), 6);

        let (table, requests) = busy(5, CONFLICT);
        let updated = table
            .update(&Key::new("A#1", "A"), Item::new(), &["outbox"], Precondition::Version(1))
            .await;
        assert_eq!(updated.unwrap(), Write::Done);
        assert_eq!(requests.load(Ordering::Relaxed), 6);
    }

    #[tokio::test]
    async fn throttled_requests_are_retried() {
        let (table, _) = busy(5, THROTTLED);
        assert_eq!(table.get(&Key::new("A#1", "A")).await.unwrap(), None);
        let (table, _) = busy(5, THROTTLED);
        assert_eq!(table.put(Item::new(), Precondition::Absent).await.unwrap(), Write::Done);
    }

    #[tokio::test]
    async fn lasting_contention_is_reported_as_contended() {
        let (table, requests) = busy(u32::MAX, CONFLICT);
        let put = table.put(Item::new(), Precondition::Absent).await;
        assert_eq!(put, Err(StoreError::Contended));
        assert_eq!(requests.load(Ordering::Relaxed), super::MAX_ATTEMPTS);
    }

    /// The time and the names of the headers that a request was signed with.
    fn signed(request: &RecordedRequest) -> (&str, &str) {
        for name in ["authorization", "x-amz-date"] {
            let count = request.headers.iter().filter(|(given, _)| given == name).count();
            assert_eq!(count, 1, "{name}");
        }
        let authorization = request.header("authorization").unwrap();
        let (_, headers) = authorization.split_once("SignedHeaders=").unwrap();
        (request.header("x-amz-date").unwrap(), headers.split_once(',').unwrap().0)
    }

    /// What the project's signer signs; the SDK's signs the length, too.
    const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-target;x-amz-user-agent";

    #[tokio::test]
    async fn a_first_attempt_is_signed_by_the_projects_signer() {
        let busy = StubResponse::new(500, r#"{"__type":"InternalServerError"}"#);
        let stub = serve_in_order(vec![busy, StubResponse::new(200, "{}")]);
        let table = Table::named(&rialto_aws::emulator_config(&stub.url), "signed".to_owned());
        assert_eq!(table.get(&Key::new("A#1", "A")).await.unwrap(), None);
        let requests = stub.requests();
        assert_eq!(signed(&requests[0]).1, SIGNED_HEADERS);
        signed(&requests[1]);
        assert_eq!(requests.len(), 2);
    }

    #[tokio::test]
    async fn a_retry_is_signed_by_the_services_clock() {
        let expired = r#"{"__type":"com.amazon.coral.service#InvalidSignatureException"}"#;
        let refused = StubResponse::new(400, expired);
        let refused = refused.header("date", "Thu, 26 Nov 2099 09:30:00 GMT");
        let stub = serve_in_order(vec![refused, StubResponse::new(200, "{}")]);
        let table = Table::named(&rialto_aws::emulator_config(&stub.url), "signed".to_owned());
        assert_eq!(table.get(&Key::new("A#1", "A")).await.unwrap(), None);
        let requests = stub.requests();
        assert_eq!(signed(&requests[0]).1, SIGNED_HEADERS);
        assert!(!signed(&requests[0]).0.starts_with("2099"));
        assert_eq!(&signed(&requests[1]).0[..11], "20991126T09");
    }
}
