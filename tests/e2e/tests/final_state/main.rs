//! Invariants of the final state: whole tables, all queues and all logs, after all other tests.
//!
//! This is a test binary of its own, which `scripts/test` runs when the others have ended.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should fail loudly")]

use aws_sdk_sqs::types::QueueAttributeName;
use rialto_e2e::{
    aws::Aws,
    invariants::{SagaTables, broken},
    local::Local,
    logs::{SERVICES, lines, never_logged},
    wait::eventually,
};

/// The number of messages in a queue, including those in flight.
async fn message_count(aws: &Aws, url: &str) -> usize {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let request =
        aws.queues.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.into()));
    let numbers = request.send().await.unwrap().attributes.unwrap_or_default();
    numbers.values().map(|number| number.parse::<usize>().unwrap()).sum()
}

/// The stage's queues that aren't empty: either the dead-letter queues or the others.
async fn non_empty_queues(aws: &Aws, dead_letters: bool) -> Vec<String> {
    let listed = aws.queues.list_queues().queue_name_prefix(format!("rialto-{}-", aws.stage));
    let urls = listed.send().await.unwrap().queue_urls.unwrap_or_default();
    assert!(!urls.is_empty(), "the stage has no queues");
    let mut non_empty = Vec::new();
    for url in urls.iter().filter(|url| url.ends_with("dead-letters") == dead_letters) {
        let messages = message_count(aws, url).await;
        if messages > 0 {
            non_empty.push(format!("{messages} in {}", url.rsplit('/').next().unwrap()));
        }
    }
    non_empty
}

#[tokio::test(flavor = "multi_thread")]
async fn every_invariant_holds_and_all_queues_are_empty() {
    let aws = Aws::open(Local::read());
    eventually("every queue to be empty", async || {
        let non_empty = non_empty_queues(&aws, false).await;
        if non_empty.is_empty() { Ok(()) } else { Err(non_empty.join(", ")) }
    })
    .await;
    let tables = eventually("every invariant to hold", async || {
        let tables = SagaTables::load_all(&aws).await;
        let broken = broken(&tables);
        if broken.is_empty() { Ok(tables) } else { Err(broken.join("\n")) }
    })
    .await;
    assert_eq!(non_empty_queues(&aws, true).await, Vec::<String>::new(), "dead letters");
    eprintln!("checked: {}", tables.counts());
}

/// Checks all log lines of the whole run.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_contains_personal_data_or_secrets() {
    let aws = Aws::open(Local::read());
    for service in SERVICES {
        let lines = lines(&aws, service, 0, "").await;
        assert!(!lines.is_empty(), "{service} logged nothing");
        for line in &lines {
            let found = never_logged().find(|text| line.text.contains(text));
            assert_eq!(found, None, "{service} logged {}", line.text);
        }
        eprintln!("{service}: {} lines", lines.len());
    }
}
