//! Waiting out contention: a table that throttles, or an item that a transaction is under way on.

use aws_sdk_dynamodb::{
    config::{Builder, interceptors::InterceptorContext, retry::RetryConfig},
    error::ProvideErrorMetadata,
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError,
    },
};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use std::time::Duration;

/// How often a request is sent before it is left to its caller. A table that refuses every second one then lets 255 of 256
/// through.
const ATTEMPTS: u32 = 8;
/// The first pause at most, doubled with each attempt. Each is as long as chance has it.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A client so configured sends again what met contention, after pauses that are about a second in all.
pub(crate) fn with_contention_retries(config: Builder) -> Builder {
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    let retries = retries.with_initial_backoff(FIRST_PAUSE).with_max_backoff(LONGEST_PAUSE);
    config.retry_config(retries).retry_classifier(ContentionClassifier)
}

/// A single write that met a transaction did nothing and may be sent again; the SDK itself doesn't know.
#[derive(Debug)]
struct ContentionClassifier;

const TRANSACTION_CONFLICT: &str = "TransactionConflictException";

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
        "Collision"
    }
}

#[cfg(test)]
mod tests {
    use crate::{Item, Key, Precondition, Table};
    use rialto_kernel::{StoreError, Write};
    use rialto_testkit::http::{StubResponse, serve};
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    const CONFLICT: &str = "com.amazonaws.dynamodb.v20120810#TransactionConflictException";
    const THROTTLED: &str =
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";

    /// A table that refuses so many requests by this error before it takes one, and how many it has had.
    fn busy(refusals: u32, error: &'static str) -> (Table, Arc<AtomicU32>) {
        let requests = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&requests);
        let endpoint = serve(move |_| {
            let refused = count.fetch_add(1, Ordering::Relaxed) < refusals;
            Some(match refused {
                true => {
                    StubResponse::new(400, format!(r#"{{"__type":"{error}","message":"busy"}}"#))
                }
                false => StubResponse::new(200, "{}"),
            })
        });
        (Table::named(&rialto_aws::emulator_config(&endpoint), "busy".to_owned()), requests)
    }

    #[tokio::test]
    async fn a_write_that_meets_a_transaction_is_sent_until_it_is_taken() {
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
    async fn a_throttled_read_or_write_is_sent_until_it_is_taken() {
        let (table, _) = busy(5, THROTTLED);
        assert_eq!(table.get(&Key::new("A#1", "A")).await.unwrap(), None);
        let (table, _) = busy(5, THROTTLED);
        assert_eq!(table.put(Item::new(), Precondition::Absent).await.unwrap(), Write::Done);
    }

    #[tokio::test]
    async fn contention_that_lasts_is_left_to_the_caller() {
        let (table, requests) = busy(u32::MAX, CONFLICT);
        let put = table.put(Item::new(), Precondition::Absent).await;
        assert!(matches!(put, Err(StoreError::Unavailable(_))), "{put:?}");
        assert_eq!(requests.load(Ordering::Relaxed), super::ATTEMPTS);
    }
}
