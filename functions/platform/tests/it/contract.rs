//! The contract of the simulator's store, tested on every adapter.

use rialto_kernel::{Clock, SystemClock, Write};
use rialto_platform::{
    SIMULATOR,
    adapters::{dynamodb::DynamoIntents, memory::MemoryIntents},
    domain::{
        idempotency::{IdempotencyRecord, StoredResponse},
        intent::{IntentCommand, Metadata, NewPaymentIntent, PaymentIntent},
        method::TestPaymentMethod,
    },
    ports::{IntentStore, RateLimiter},
};
use std::time::Duration;

rialto_testkit::contract! {
    memory: MemoryIntents::default(),
    dynamodb: DynamoIntents::on(rialto_testkit::new_table(SIMULATOR).await);
    written_intents_and_records_are_read_back,
    an_intent_write_requires_the_previous_version,
    a_record_write_requires_the_previous_version,
    an_intent_and_a_record_are_written_atomically,
    writing_nothing_succeeds,
    requests_are_admitted_up_to_the_limit_of_a_second,
}

fn execute(command: &IntentCommand, current: Option<&PaymentIntent>) -> PaymentIntent {
    command.decide(current, SystemClock.now()).intent.unwrap()
}

fn created() -> PaymentIntent {
    let new = NewPaymentIntent {
        metadata: Metadata::from([("order_id".to_owned(), "ord_1".to_owned())]),
        method: Some(TestPaymentMethod::Visa),
        ..NewPaymentIntent::new("pi_1", 1_000, "eur")
    };
    execute(&IntentCommand::Create(new), None)
}

fn confirmed(intent: &PaymentIntent) -> PaymentIntent {
    execute(
        &IntentCommand::Confirm { id: intent.id.clone(), method: None, return_url: None },
        Some(intent),
    )
}

fn refunded(intent: &PaymentIntent, amount: u64) -> PaymentIntent {
    let refund = IntentCommand::Refund {
        id: intent.id.clone(),
        amount: Some(amount),
        metadata: Metadata::default(),
    };
    execute(&refund, Some(intent))
}

fn record(version: u64) -> IdempotencyRecord {
    IdempotencyRecord {
        key: "k".to_owned(),
        request_hash: "h".to_owned(),
        response: StoredResponse { status: 200, body: format!("{{\"version\":{version}}}") },
        saved_at: SystemClock.now(),
        version,
    }
}

async fn written_intents_and_records_are_read_back(store: impl IntentStore) {
    let created = created();
    assert_eq!(store.write(Some(&created), None).await.unwrap(), Write::Done);
    let paid = confirmed(&created);
    assert_eq!(store.write(Some(&paid), Some(&record(1))).await.unwrap(), Write::Done);
    let refunded_intent = refunded(&paid, 400);
    assert_eq!(store.write(Some(&refunded_intent), None).await.unwrap(), Write::Done);

    let (intent, stored) = store.load("pi_1", Some("k")).await.unwrap();
    assert_eq!(intent, Some(refunded_intent.clone()));
    assert_eq!(stored.unwrap().response, record(1).response);
    assert_eq!(store.load("pi_1", None).await.unwrap(), (Some(refunded_intent.clone()), None));
    assert_eq!(store.intent("pi_1").await.unwrap(), Some(refunded_intent));
    assert_eq!(store.load("pi_2", Some("l")).await.unwrap(), (None, None));
}

async fn an_intent_write_requires_the_previous_version(store: impl IntentStore) {
    let created = created();
    let paid = confirmed(&created);
    assert_eq!(store.write(Some(&paid), None).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.write(Some(&created), None).await.unwrap(), Write::Done);
    assert_eq!(store.write(Some(&created), None).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.write(Some(&paid), None).await.unwrap(), Write::Done);
    let (one, other) = (refunded(&paid, 600), refunded(&paid, 500));
    assert_eq!(store.write(Some(&one), None).await.unwrap(), Write::Done);
    assert_eq!(store.write(Some(&other), None).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.intent("pi_1").await.unwrap().unwrap().refunded(), 600);
}

async fn a_record_write_requires_the_previous_version(store: impl IntentStore) {
    assert_eq!(store.write(None, Some(&record(2))).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.write(None, Some(&record(1))).await.unwrap(), Write::Done);
    assert_eq!(store.write(None, Some(&record(1))).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.write(None, Some(&record(2))).await.unwrap(), Write::Done);
    let (_, stored) = store.load("pi_1", Some("k")).await.unwrap();
    assert_eq!(stored.unwrap().response, record(2).response);
}

async fn an_intent_and_a_record_are_written_atomically(store: impl IntentStore) {
    let created = created();
    assert_eq!(store.write(None, Some(&record(1))).await.unwrap(), Write::Done);
    assert_eq!(store.write(Some(&created), Some(&record(1))).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.intent("pi_1").await.unwrap(), None);
    assert_eq!(store.write(Some(&created), Some(&record(2))).await.unwrap(), Write::Done);
    assert_eq!(store.write(Some(&created), Some(&record(3))).await.unwrap(), Write::Conflict(()));
    let (_, stored) = store.load("pi_1", Some("k")).await.unwrap();
    assert_eq!(stored.unwrap().response, record(2).response);
}

async fn writing_nothing_succeeds(store: impl IntentStore) {
    assert_eq!(store.write(None, None).await.unwrap(), Write::Done);
}

async fn requests_are_admitted_up_to_the_limit_of_a_second(store: impl RateLimiter) {
    let now = SystemClock.now();
    for second in 0..3 {
        let now = now.plus(Duration::from_secs(second));
        let mut admitted = 0;
        for _ in 0..5 {
            admitted += u32::from(store.admit(3, now).await.unwrap());
        }
        assert_eq!(admitted, 3);
    }
}
