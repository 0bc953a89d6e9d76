//! The contract suite of the store's ports, run on each adapter.

use futures_util::TryStreamExt;
use rialto_contracts::{
    EventContext,
    inventory::StockReserved,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::{
    Amount, Clock, Currency, DueEntry, DueQueue, OrderId, StoreError, SystemClock, Timestamp,
    UserId, Write,
};
use rialto_lambda::sweep::due_entries;
use rialto_payments::{
    SERVICE,
    adapters::{
        dynamodb::DynamoPayments,
        memory::{MemoryPayments, MemoryProvider},
    },
    application::on_stock_reserved::on_stock_reserved,
    domain::{
        intent::{ChargeOutcome, DeclineCode, IntentId},
        payment::{Payment, PaymentState, PaymentUpdate},
        refund::RefundOutcome,
    },
    ports::{LedgerReader, PaymentLister, PaymentReader, PaymentWriter},
};
use std::time::Duration;

trait Store:
    PaymentReader + PaymentWriter + PaymentLister + LedgerReader + DueQueue<Id = OrderId> + Sync
{
}
impl<S> Store for S where
    S: PaymentReader + PaymentWriter + PaymentLister + LedgerReader + DueQueue<Id = OrderId> + Sync
{
}

rialto_testkit::contract! {
    memory: MemoryPayments::default(),
    dynamodb: DynamoPayments::on(rialto_testkit::new_table(SERVICE).await);
    payments_are_created_once,
    saving_requires_the_previous_version,
    payments_are_saved_with_their_ledger_entries,
    payments_are_read_as_they_were_saved,
    tombstones_prevent_later_payments,
    unfinished_payments_are_due_at_their_deadline,
    postponed_payments_are_due_later,
    payments_of_all_days_are_listed_newest_first,
    payments_of_a_state_are_listed,
    forged_positions_of_payments_are_refused,
}

fn reserved() -> StockReserved {
    let now = SystemClock.now();
    StockReserved {
        order_id: OrderId::generate(now),
        user_id: UserId::derive(&[b"u"]),
        total: Amount::new(2_500).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        payment_method: "pm_card_visa".to_owned(),
        expires_at: now.plus(Duration::from_secs(900)),
    }
}

async fn save(store: &impl Store, change: PaymentUpdate) -> Payment {
    assert_eq!(store.save(&change).await.unwrap(), Write::Done);
    change.payment
}

async fn save_refused(store: &impl Store, change: &PaymentUpdate) -> Payment {
    match store.save(change).await.unwrap() {
        Write::Conflict(stored) => *stored,
        Write::Done => panic!("the write was not refused: {change:?}"),
    }
}

fn pending(reserved: &StockReserved) -> PaymentUpdate {
    Payment::pending(reserved, Duration::ZERO, SystemClock.now(), &EventContext::default())
}

fn record_intent(payment: &Payment) -> PaymentUpdate {
    // As late as can be, so that only the deadline makes it due.
    let started_at = payment.charge.as_ref().unwrap().expires_at;
    payment.record_intent(&IntentId::parse("pi_1").unwrap(), started_at).unwrap()
}

fn settle(payment: &Payment, outcome: &ChargeOutcome) -> PaymentUpdate {
    payment.settle(outcome, SystemClock.now(), &EventContext::default()).unwrap()
}

async fn payments_are_created_once(store: impl Store) {
    let reserved = reserved();
    assert_eq!(store.payment(reserved.order_id).await.unwrap(), None);
    let created = pending(&reserved);
    let payment = save(&store, created.clone()).await;
    assert_eq!(save_refused(&store, &created).await, payment);
    let processing = save(&store, record_intent(&payment)).await;
    assert_eq!(save_refused(&store, &created).await, processing);
    assert_eq!(store.payment(reserved.order_id).await.unwrap(), Some(processing));
}

async fn saving_requires_the_previous_version(store: impl Store) {
    let payment = save(&store, pending(&reserved())).await;
    let cancelled = save(&store, payment.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(save_refused(&store, &record_intent(&payment)).await, cancelled);
    assert_eq!(store.payment(payment.order_id).await.unwrap(), Some(cancelled));
}

async fn payments_are_saved_with_their_ledger_entries(store: impl Store) {
    let payment = save(&store, pending(&reserved())).await;
    let processing = save(&store, record_intent(&payment)).await;
    let capture = settle(&processing, &ChargeOutcome::Captured);
    let marked = save(&store, processing.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(save_refused(&store, &capture).await, marked);
    assert_eq!(store.entries(payment.order_id).await.unwrap(), []);

    let capture = settle(&marked, &ChargeOutcome::Captured);
    let captured = save(&store, capture.clone()).await;
    assert_eq!(save_refused(&store, &capture).await, captured);
    let refund = captured.refunds[0].refund_id;
    let issue = captured.settle_refund(
        refund,
        &RefundOutcome::Issued,
        SystemClock.now(),
        &EventContext::default(),
    );
    let issue = issue.unwrap();
    save(&store, issue.clone()).await;
    let entries = [capture.entry.unwrap(), issue.entry.unwrap()];
    assert_eq!(store.entries(payment.order_id).await.unwrap(), entries);
    assert_eq!(store.entries(OrderId::derive(&[b"another"])).await.unwrap(), []);
}

async fn payments_are_read_as_they_were_saved(store: impl Store) {
    let payment = save(&store, pending(&reserved())).await;
    let processing = save(&store, record_intent(&payment)).await;
    let captured = save(&store, settle(&processing, &ChargeOutcome::Captured)).await;
    let refunding = save(&store, captured.cancel(&EventContext::default()).unwrap()).await;
    let reason = DeclineCode::new("charge_disputed");
    let failed = refunding.settle_refund(
        refunding.refunds[0].refund_id,
        &RefundOutcome::Failed { reason },
        SystemClock.now(),
        &EventContext::default(),
    );
    let failed = save(&store, failed.unwrap()).await;
    assert_eq!(store.payment(payment.order_id).await.unwrap(), Some(failed));

    let payment = save(&store, pending(&reserved())).await;
    let declined = ChargeOutcome::Failed { reason: DeclineCode::new("insufficient_funds") };
    let declined = save(&store, settle(&payment, &declined)).await;
    assert_eq!(store.payment(payment.order_id).await.unwrap(), Some(declined));
}

async fn tombstones_prevent_later_payments(store: impl Store) {
    let reserved = reserved();
    let cancelled = OrderCancelled {
        order_id: reserved.order_id,
        user_id: reserved.user_id,
        reason: CancelReason::OutOfStock,
    };
    let tombstone = save(&store, Payment::tombstone(&cancelled, &EventContext::default())).await;
    assert_eq!(save_refused(&store, &pending(&reserved)).await, tombstone);
}

#[tokio::test]
async fn a_charge_takes_three_round_trips() {
    let store = DynamoPayments::on(rialto_testkit::new_table(SERVICE).await);
    let provider = MemoryProvider::default();
    // The first payment of a day takes one more, for the day.
    save(&store, pending(&reserved())).await;
    let (reserved, cause) = (reserved(), EventContext::default());
    let charge =
        || on_stock_reserved(&store, &provider, &reserved, Duration::ZERO, &cause, &SystemClock);
    let (charged, calls) = rialto_aws::calls::count_requests(charge()).await;
    assert_eq!((charged.unwrap(), calls), (Write::Done, 3));
    let (again, calls) = rialto_aws::calls::count_requests(charge()).await;
    assert_eq!((again.unwrap(), calls), (Write::Conflict(()), 1));
}

#[tokio::test]
async fn events_stay_in_the_outbox_until_the_next_write() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoPayments::on(table.clone());
    let outbox = async |order: OrderId| {
        let key = rialto_dynamo::Key::new(format!("ORDER#{order}"), "PAYMENT");
        let item = table.get(&key).await.unwrap().unwrap();
        item.get(rialto_dynamo::OUTBOX).map(|events| events.as_s().unwrap().clone())
    };
    let payment = save(&store, pending(&reserved())).await;
    assert_eq!(outbox(payment.order_id).await, None);
    let processing = save(&store, record_intent(&payment)).await;
    let capture = settle(&processing, &ChargeOutcome::Captured);
    let captured = save(&store, capture.clone()).await;
    let events = serde_json::to_string(&capture.events).unwrap();
    assert_eq!(outbox(payment.order_id).await, Some(events));
    save(&store, captured.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(outbox(payment.order_id).await, None);
}

async fn due_orders(store: &impl Store, now: Timestamp) -> Vec<OrderId> {
    let entries: Vec<_> = due_entries(store, now).try_collect().await.unwrap();
    let mut orders: Vec<OrderId> = entries.into_iter().map(|entry| entry.id).collect();
    orders.sort_unstable();
    orders
}

async fn postponed_payments_are_due_later(store: impl Store) {
    let reserved = reserved();
    let pending = save(&store, pending(&reserved)).await;
    let processing = save(&store, record_intent(&pending)).await;
    let entry = DueEntry { deadline: reserved.expires_at, id: reserved.order_id };
    let later = reserved.expires_at.plus(Duration::from_secs(300));
    assert_eq!(store.postpone(&entry, later).await, Ok(Write::Done));
    assert_eq!(store.postpone(&entry, later).await, Ok(Write::Conflict(())));
    assert_eq!(due_orders(&store, reserved.expires_at).await, []);
    assert_eq!(due_orders(&store, later).await, [reserved.order_id]);
    // The payment itself is as it was, and can be written.
    assert_eq!(store.payment(reserved.order_id).await.unwrap(), Some(processing.clone()));
    save(&store, settle(&processing, &ChargeOutcome::Captured)).await;
    assert_eq!(due_orders(&store, later).await, []);
    let entry = DueEntry { deadline: later, ..entry };
    assert_eq!(store.postpone(&entry, later).await, Ok(Write::Conflict(())));
}

async fn unfinished_payments_are_due_at_their_deadline(store: impl Store) {
    let (first, second) = (reserved(), reserved());
    let deadline = first.expires_at.max(second.expires_at);
    let due = async |now| due_orders(&store, now).await;
    let mut both = vec![first.order_id, second.order_id];
    both.sort_unstable();

    let first_payment = save(&store, pending(&first)).await;
    assert_eq!(due(deadline).await, []);
    let processing = save(&store, record_intent(&first_payment)).await;
    let other = save(&store, pending(&second)).await;
    let other = save(&store, record_intent(&other)).await;
    assert_eq!(due(SystemClock.now()).await, []);
    assert_eq!(due(deadline).await, both);

    save(&store, settle(&other, &ChargeOutcome::Failed { reason: DeclineCode::new("canceled") }))
        .await;
    assert_eq!(due(deadline).await, [first.order_id]);
    let captured = save(&store, settle(&processing, &ChargeOutcome::Captured)).await;
    assert_eq!(due(deadline).await, []);
    let refunding = save(&store, captured.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(due(deadline).await, [first.order_id]);
    let refund = refunding.refunds[0].refund_id;
    let issued = refunding.settle_refund(
        refund,
        &RefundOutcome::Issued,
        SystemClock.now(),
        &EventContext::default(),
    );
    save(&store, issued.unwrap()).await;
    assert_eq!(due(deadline).await, []);
}

async fn pages(
    store: &impl Store,
    state: Option<PaymentState>,
    limit: u32,
) -> Vec<(Timestamp, OrderId)> {
    let (mut listed, mut position) = (Vec::new(), None);
    loop {
        let (page, next) = store.list_all(state, limit, position.as_deref()).await.unwrap();
        assert!(page.len() <= limit as usize);
        assert!(next.is_none() || next != position, "a page repeats its position");
        listed.extend(page.iter().map(|of| (of.created_at.unwrap(), of.order_id)));
        position = next;
        if position.is_none() {
            return listed;
        }
    }
}

/// Stores 40 payments, three a day and some of the same time, and a tombstone, which isn't listed.
async fn store_of_all_days(store: &impl Store) -> Vec<Payment> {
    let cause = EventContext::default();
    let mut stored = Vec::new();
    for number in 0..40_i64 {
        let created_at = Timestamp::from_millis(number / 3 * 24 * 3_600_000 + number % 2);
        let pending = Payment::pending(&reserved(), Duration::ZERO, created_at, &cause);
        stored.push(save(store, pending).await);
    }
    let (order_id, user_id) = (OrderId::generate(SystemClock.now()), UserId::derive(&[b"u"]));
    let cancelled = OrderCancelled { order_id, user_id, reason: CancelReason::Buyer };
    save(store, Payment::tombstone(&cancelled, &cause)).await;
    stored
}

async fn payments_of_all_days_are_listed_newest_first(store: impl Store) {
    let stored = store_of_all_days(&store).await;
    let mut expected: Vec<_> =
        stored.iter().map(|of| (of.created_at.unwrap(), of.order_id)).collect();
    expected.sort_unstable_by(|one, other| other.cmp(one));
    for limit in [1, 3, 7, 40, 100] {
        assert_eq!(pages(&store, None, limit).await, expected, "page size {limit}");
    }
}

async fn payments_of_a_state_are_listed(store: impl Store) {
    let stored = store_of_all_days(&store).await;
    for payment in stored.iter().step_by(5) {
        save(&store, payment.cancel(&EventContext::default()).unwrap()).await;
    }
    for (state, count) in
        [(PaymentState::Voided, 8), (PaymentState::Pending, 32), (PaymentState::Failed, 0)]
    {
        assert_eq!(pages(&store, Some(state), 3).await.len(), count, "{state:?}");
    }
}

async fn forged_positions_of_payments_are_refused(store: impl Store) {
    for position in rialto_testkit::fixtures::forged_positions() {
        let listed = store.list_all(None, 20, Some(&position)).await;
        assert_eq!(listed, Err(StoreError::InvalidPosition), "{position:?}");
    }
}
