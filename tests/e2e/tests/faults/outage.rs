//! An outage of what a consumer depends on, shorter than a real one: the pauses between attempts
//! and their number are those of the template. That they suffice for half an hour is a test of
//! `rialto_lambda::sqs`, in virtual time.

use crate::support::{self, FaultFixture, QUEUES};
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::join_all;
use rialto_e2e::{
    invariants::SagaTables,
    logs,
    shop::{OrderDraft, Shop},
    wait::eventually,
};
use rialto_faults::rule::{Fault, Rule};
use rialto_kernel::{Clock, SystemClock};
use serde_json::json;
use std::collections::BTreeMap;

/// Orders that are placed during each outage.
const ORDERS: usize = 10;
/// An outage lasts until a message was received this often, which takes six seconds or more.
const RECEIVES: u32 = 3;

/// What fails: the calls of a consumer, which logs to its service's group.
struct Outage {
    service: &'static str,
    consumer: &'static str,
    rule: fn(Rule) -> Rule,
}

const OUTAGES: &[Outage] = &[
    Outage {
        service: "inventory",
        consumer: "inventory-on-orders",
        rule: |rule| rule.to("dynamodb"),
    },
    Outage {
        service: "payments",
        consumer: "payments-on-inventory",
        rule: |rule| rule.operation("POST /v1/payment_intents"),
    },
    Outage { service: "orders", consumer: "orders-on-payments", rule: |rule| rule.to("dynamodb") },
];

/// The number of messages in each dead-letter queue of the saga.
async fn dead_letters(shop: &Shop) -> BTreeMap<&'static str, String> {
    let name = QueueAttributeName::ApproximateNumberOfMessages;
    let counts = QUEUES.iter().map(async |queue| {
        let url = shop.aws.queue_url(&format!("{queue}-dead-letters")).await;
        let attributes = shop.aws.queues.get_queue_attributes().queue_url(url);
        let response = attributes.attribute_names(name.clone()).send().await.unwrap();
        (*queue, response.attributes.unwrap()[&name].clone())
    });
    join_all(counts).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_leaves_nothing_to_redrive() {
    let fixture = FaultFixture::with_stock(1_000).await;
    let FaultFixture { faults, shop, buyer, product, .. } = &fixture;
    let before = dead_letters(shop).await;
    for outage in OUTAGES {
        let since = SystemClock.now().millis();
        let rule = Rule::new(outage.consumer, Fault::Error).by(outage.consumer);
        faults.add(&(outage.rule)(rule)).await;
        let mut orders = Vec::new();
        for _ in 0..ORDERS {
            let draft = OrderDraft::of(&[(product, 1)]);
            orders.push(support::place(shop, buyer, &draft).await);
        }
        eventually(&format!("{} to fail {RECEIVES} times", outage.consumer), async || {
            let lines = logs::lines(&shop.aws, outage.service, since, &orders[0]).await;
            let failed = lines.iter().filter(|line| {
                line.text_of("function") == outage.consumer && line.text_of("level") == "ERROR"
            });
            let receives = failed.filter_map(|line| line.text_of("receives").parse::<u32>().ok());
            let most = receives.max().unwrap_or(0);
            if most >= RECEIVES { Ok(()) } else { Err(format!("{most} times")) }
        })
        .await;
        faults.remove(outage.consumer).await;
        for order in &orders {
            let (state, _) = support::final_state(shop, order).await;
            assert_eq!(state, json!("CONFIRMED"), "{order} after {}", outage.consumer);
        }
        SagaTables::wait_until_consistent(&shop.aws, &[product], &orders).await;
    }
    assert_eq!(dead_letters(shop).await, before, "events that need a redrive");
}
