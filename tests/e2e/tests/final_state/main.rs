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
async fn lying(aws: &Aws, url: &str) -> usize {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let asked =
        aws.queues.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.into()));
    let numbers = asked.send().await.unwrap().attributes.unwrap_or_default();
    numbers.values().map(|number| number.parse::<usize>().unwrap()).sum()
}

/// The stage's queues that aren't empty: either the dead-letter queues or the others.
async fn filled(aws: &Aws, dead_letters: bool) -> Vec<String> {
    let listed = aws.queues.list_queues().queue_name_prefix(format!("rialto-{}-", aws.stage));
    let urls = listed.send().await.unwrap().queue_urls.unwrap_or_default();
    assert!(!urls.is_empty(), "the stage has no queues");
    let mut filled = Vec::new();
    for url in urls.iter().filter(|url| url.ends_with("dead-letters") == dead_letters) {
        let messages = lying(aws, url).await;
        if messages > 0 {
            filled.push(format!("{messages} in {}", url.rsplit('/').next().unwrap()));
        }
    }
    filled
}

#[tokio::test(flavor = "multi_thread")]
async fn every_invariant_holds_and_all_queues_are_empty() {
    let aws = Aws::open(Local::read());
    eventually("every queue to be empty", async || {
        let filled = filled(&aws, false).await;
        if filled.is_empty() { Ok(()) } else { Err(filled.join(", ")) }
    })
    .await;
    let books = eventually("every invariant to hold", async || {
        let books = SagaTables::load_all(&aws).await;
        let broken = broken(&books);
        if broken.is_empty() { Ok(books) } else { Err(broken.join("\n")) }
    })
    .await;
    assert_eq!(filled(&aws, true).await, Vec::<String>::new(), "dead letters");
    eprintln!(
        "checked: {} orders, {} reservations, {} payments, {} ledger entries, {} products, {} movements",
        books.orders.len(),
        books.reservations.len(),
        books.payments.len(),
        books.ledger.len(),
        books.stocks.len(),
        books.movements.len()
    );
}

/// Checks all log lines of the whole run.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_contains_personal_data_or_secrets() {
    let aws = Aws::open(Local::read());
    for service in SERVICES {
        let lines = lines(&aws, service, 0, "").await;
        assert!(!lines.is_empty(), "{service} logged nothing");
        for line in &lines {
            let told = never_logged().find(|text| line.text.contains(text));
            assert_eq!(told, None, "{service} logged {}", line.text);
        }
        eprintln!("{service}: {} lines", lines.len());
    }
}
