//! Short visibility timeouts, so that failed messages are retried within seconds instead of
//! minutes.

use crate::aws::Aws;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, resume_unwind},
};
use tokio::sync::Mutex;

/// The queues with a shortened timeout: the number of tests that use it, and the original timeout.
static SHORTENED: Mutex<Option<HashMap<String, (usize, String)>>> = Mutex::const_new(None);

/// Longer than any of the tested handlers runs.
const SECONDS: &str = "3";

/// Runs a test with a short visibility timeout on a queue, and restores the timeout even if the
/// test panics.
pub async fn with_short_visibility_timeout<T>(
    aws: &Aws,
    queue: &str,
    test: impl Future<Output = T>,
) -> T {
    with_short_visibility_timeouts(aws, &[queue], test).await
}

/// Like [`with_short_visibility_timeout`], for several queues.
pub async fn with_short_visibility_timeouts<T>(
    aws: &Aws,
    queues: &[&str],
    test: impl Future<Output = T>,
) -> T {
    let mut urls = Vec::new();
    for queue in queues {
        let url = aws.queue_url(queue).await;
        shorten(aws, &url).await;
        urls.push(url);
    }
    let result = AssertUnwindSafe(test).catch_unwind().await;
    for url in &urls {
        restore(aws, url).await;
    }
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

async fn shorten(aws: &Aws, url: &str) {
    let mut shortened = SHORTENED.lock().await;
    let shortened = shortened.get_or_insert_default();
    if let Some((tests, _)) = shortened.get_mut(url) {
        *tests += 1;
        return;
    }
    let name = QueueAttributeName::VisibilityTimeout;
    let attributes = aws.queues.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let original = attributes
        .send()
        .await
        .expect("the queue responds")
        .attributes
        .unwrap()
        .remove(&name)
        .unwrap();
    set(aws, url, SECONDS).await;
    shortened.insert(url.to_owned(), (1, original));
}

async fn restore(aws: &Aws, url: &str) {
    let mut shortened = SHORTENED.lock().await;
    let shortened = shortened.get_or_insert_default();
    let (tests, original) = shortened.get_mut(url).expect("it was shortened");
    *tests -= 1;
    if *tests == 0 {
        let original = original.clone();
        shortened.remove(url);
        set(aws, url, &original).await;
    }
}

async fn set(aws: &Aws, url: &str, seconds: &str) {
    let set = aws.queues.set_queue_attributes().queue_url(url);
    set.attributes(QueueAttributeName::VisibilityTimeout, seconds)
        .send()
        .await
        .expect("the queue responds");
}
