//! What every adapter of the simulator's port must do.

use rialto_kernel::{Clock, SystemClock, Write};
use rialto_platform::{
    SIMULATOR,
    adapters::{dynamodb::DynamoIntents, memory::MemoryIntents},
    domain::{
        intent::{Intent, Metadata, NewIntent, Request},
        method::TestPaymentMethod,
        saved::{IdempotencyRecord, StoredResponse},
    },
    ports::Intents,
};

/// Runs each rule on each adapter, on a store of its own.
macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $rule() { super::$rule(super::MemoryIntents::default()).await; })*
        }
        mod dynamodb {
            $(#[tokio::test] async fn $rule() {
                let table = rialto_testkit::new_table(super::SIMULATOR).await;
                super::$rule(super::DynamoIntents::on(table)).await;
            })*
        }
    };
}

contract! {
    what_was_written_reads_back_whole,
    an_intent_is_written_over_its_version_only,
    an_answer_is_kept_over_its_version_only,
    an_intent_and_an_answer_are_written_together_or_not_at_all,
    nothing_to_write_is_done,
}

fn step(request: &Request, known: Option<&Intent>) -> Intent {
    request.decide(known, SystemClock.now()).intent.unwrap()
}

fn created() -> Intent {
    let new = NewIntent {
        id: "pi_1".to_owned(),
        amount: 1_000,
        currency: "eur".to_owned(),
        metadata: Metadata::from([("order_id".to_owned(), "ord_1".to_owned())]),
        method: Some(TestPaymentMethod::Visa),
        confirm: false,
    };
    step(&Request::Create(new), None)
}

fn confirmed(intent: &Intent) -> Intent {
    step(&Request::Confirm { id: intent.id.clone(), method: None }, Some(intent))
}

fn refunded(intent: &Intent, amount: u64) -> Intent {
    let refund = Request::Refund {
        id: intent.id.clone(),
        amount: Some(amount),
        metadata: Metadata::default(),
    };
    step(&refund, Some(intent))
}

fn saved(version: u64) -> IdempotencyRecord {
    IdempotencyRecord {
        key: "k".to_owned(),
        request_hash: "h".to_owned(),
        answer: StoredResponse { status: 200, body: format!("{{\"version\":{version}}}") },
        saved_at: SystemClock.now(),
        version,
    }
}

async fn what_was_written_reads_back_whole(store: impl Intents) {
    let created = created();
    assert_eq!(store.write(Some(&created), None).await.unwrap(), Write::Done);
    let paid = confirmed(&created);
    assert_eq!(store.write(Some(&paid), Some(&saved(1))).await.unwrap(), Write::Done);
    let given_back = refunded(&paid, 400);
    assert_eq!(store.write(Some(&given_back), None).await.unwrap(), Write::Done);

    let (intent, answer) = store.load("pi_1", Some("k")).await.unwrap();
    assert_eq!(intent, Some(given_back.clone()));
    assert_eq!(answer.unwrap().answer, saved(1).answer);
    assert_eq!(store.load("pi_1", None).await.unwrap(), (Some(given_back.clone()), None));
    assert_eq!(store.intent("pi_1").await.unwrap(), Some(given_back));
    assert_eq!(store.load("pi_2", Some("l")).await.unwrap(), (None, None));
}

async fn an_intent_is_written_over_its_version_only(store: impl Intents) {
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

async fn an_answer_is_kept_over_its_version_only(store: impl Intents) {
    assert_eq!(store.write(None, Some(&saved(2))).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.write(None, Some(&saved(1))).await.unwrap(), Write::Done);
    assert_eq!(store.write(None, Some(&saved(1))).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.write(None, Some(&saved(2))).await.unwrap(), Write::Done);
    let (_, kept) = store.load("pi_1", Some("k")).await.unwrap();
    assert_eq!(kept.unwrap().answer, saved(2).answer);
}

async fn an_intent_and_an_answer_are_written_together_or_not_at_all(store: impl Intents) {
    let created = created();
    assert_eq!(store.write(None, Some(&saved(1))).await.unwrap(), Write::Done);
    assert_eq!(store.write(Some(&created), Some(&saved(1))).await.unwrap(), Write::Conflict(()));
    assert_eq!(store.intent("pi_1").await.unwrap(), None);
    assert_eq!(store.write(Some(&created), Some(&saved(2))).await.unwrap(), Write::Done);
    assert_eq!(store.write(Some(&created), Some(&saved(3))).await.unwrap(), Write::Conflict(()));
    let (_, kept) = store.load("pi_1", Some("k")).await.unwrap();
    assert_eq!(kept.unwrap().answer, saved(2).answer);
}

async fn nothing_to_write_is_done(store: impl Intents) {
    assert_eq!(store.write(None, None).await.unwrap(), Write::Done);
}
