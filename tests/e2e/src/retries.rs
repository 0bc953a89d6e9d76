//! Retries within seconds instead of minutes: a short visibility timeout for the messages of a
//! consumer that was killed, and few receives for messages that fail until they are dead letters.

use crate::aws::Aws;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt;
use serde_json::Value;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, resume_unwind},
};
use tokio::sync::Mutex;

/// An attribute of a queue, by the queue's URL.
type Attribute = (String, QueueAttributeName);

/// The changed attributes: the number of tests that use them, and the original values.
static CHANGED: Mutex<Option<HashMap<Attribute, (usize, String)>>> = Mutex::const_new(None);

/// The visibility timeout in seconds, longer than the tested handlers run on a loaded machine: a
/// message must not be received again while it is handled.
const SECONDS: &str = "5";
/// With the pauses of `rialto_lambda::sqs`, a message is a dead letter after 30 to 45 seconds. Fewer
/// would be too few for the messages of other tests.
pub const FEW_RECEIVES: u32 = 4;

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
    let mut attributes = Vec::new();
    for queue in queues {
        attributes.push((aws.queue_url(queue).await, QueueAttributeName::VisibilityTimeout));
    }
    with_changed(aws, attributes, |_| SECONDS.to_owned(), test).await
}

/// Runs a test in which a message of a queue is a dead letter after [`FEW_RECEIVES`], and restores
/// the number even if the test panics.
pub async fn with_few_receives<T>(aws: &Aws, queue: &str, test: impl Future<Output = T>) -> T {
    let policy = (aws.queue_url(queue).await, QueueAttributeName::RedrivePolicy);
    let with_few = |original: &str| {
        let mut policy: Value = serde_json::from_str(original).expect("a redrive policy");
        policy["maxReceiveCount"] = Value::from(FEW_RECEIVES);
        policy.to_string()
    };
    with_changed(aws, vec![policy], with_few, test).await
}

async fn with_changed<T>(
    aws: &Aws,
    attributes: Vec<Attribute>,
    value: impl Fn(&str) -> String,
    test: impl Future<Output = T>,
) -> T {
    for attribute in &attributes {
        change(aws, attribute, &value).await;
    }
    let result = AssertUnwindSafe(test).catch_unwind().await;
    for attribute in &attributes {
        restore(aws, attribute).await;
    }
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

async fn change(aws: &Aws, attribute: &Attribute, value: impl Fn(&str) -> String) {
    let mut changed = CHANGED.lock().await;
    let changed = changed.get_or_insert_default();
    if let Some((tests, _)) = changed.get_mut(attribute) {
        *tests += 1;
        return;
    }
    let (url, name) = attribute;
    let attributes = aws.queues.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let original = attributes
        .send()
        .await
        .expect("the queue responds")
        .attributes
        .unwrap()
        .remove(name)
        .unwrap();
    set(aws, attribute, &value(&original)).await;
    changed.insert(attribute.clone(), (1, original));
}

async fn restore(aws: &Aws, attribute: &Attribute) {
    let mut changed = CHANGED.lock().await;
    let changed = changed.get_or_insert_default();
    let (tests, original) = changed.get_mut(attribute).expect("it was changed");
    *tests -= 1;
    if *tests == 0 {
        let original = original.clone();
        changed.remove(attribute);
        set(aws, attribute, &original).await;
    }
}

async fn set(aws: &Aws, (url, name): &Attribute, value: &str) {
    let set = aws.queues.set_queue_attributes().queue_url(url).attributes(name.clone(), value);
    set.send().await.expect("the queue responds");
}
