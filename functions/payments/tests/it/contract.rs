//! What every adapter of the store's ports must do.

use rialto_contracts::{
    EventContext,
    inventory::StockReserved,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::{Amount, Clock, Currency, OrderId, SystemClock, UserId, Write};
use rialto_payments::{
    SERVICE,
    adapters::{
        dynamodb::DynamoPayments,
        memory::{MemoryPayments, MemoryProvider},
    },
    application::on_stock_reserved::on_stock_reserved,
    domain::{
        intent::{ChargeOutcome, DeclineCode, IntentId},
        payment::{Payment, PaymentUpdate},
        refund::RefundEnd,
    },
    ports::{ExpiredPayments, LedgerReader, PaymentReader, PaymentWriter},
};
use std::time::Duration;

trait Store: PaymentReader + PaymentWriter + LedgerReader + ExpiredPayments {}
impl<S: PaymentReader + PaymentWriter + LedgerReader + ExpiredPayments> Store for S {}

/// Runs each rule on each adapter, on a store of its own.
macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $rule() { super::$rule(super::MemoryPayments::default()).await; })*
        }
        mod dynamodb {
            $(#[tokio::test] async fn $rule() {
                let table = rialto_testkit::new_table(super::SERVICE).await;
                super::$rule(super::DynamoPayments::on(table)).await;
            })*
        }
    };
}

contract! {
    a_payment_opens_once_and_tells_what_is_there,
    a_payment_is_written_over_its_version,
    money_moves_with_its_entry_or_not_at_all,
    a_payment_reads_back_whole,
    a_cancellation_before_its_payment_is_kept,
    what_is_under_way_is_due_from_its_deadline_on_until_it_ends,
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

async fn done(store: &impl Store, change: PaymentUpdate) -> Payment {
    assert_eq!(store.save(&change).await.unwrap(), Write::Done);
    change.payment
}

async fn refused(store: &impl Store, change: &PaymentUpdate) -> Payment {
    match store.save(change).await.unwrap() {
        Write::Conflict(there) => *there,
        Write::Done => panic!("written over something else: {change:?}"),
    }
}

fn begin(payment: &Payment) -> PaymentUpdate {
    payment.record_intent(&IntentId::parse("pi_1").unwrap()).unwrap()
}

fn end(payment: &Payment, end: &ChargeOutcome) -> PaymentUpdate {
    payment.settle(end, SystemClock.now(), &EventContext::default()).unwrap()
}

async fn a_payment_opens_once_and_tells_what_is_there(store: impl Store) {
    let reserved = reserved();
    assert_eq!(store.payment(reserved.order_id).await.unwrap(), None);
    let opened = Payment::pending(&reserved, &EventContext::default());
    let payment = done(&store, opened.clone()).await;
    assert_eq!(refused(&store, &opened).await, payment);
    let begun = done(&store, begin(&payment)).await;
    assert_eq!(refused(&store, &opened).await, begun);
    assert_eq!(store.payment(reserved.order_id).await.unwrap(), Some(begun));
}

async fn a_payment_is_written_over_its_version(store: impl Store) {
    let payment = done(&store, Payment::pending(&reserved(), &EventContext::default())).await;
    let cancelled = done(&store, payment.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(refused(&store, &begin(&payment)).await, cancelled);
    assert_eq!(store.payment(payment.order_id).await.unwrap(), Some(cancelled));
}

async fn money_moves_with_its_entry_or_not_at_all(store: impl Store) {
    let payment = done(&store, Payment::pending(&reserved(), &EventContext::default())).await;
    let begun = done(&store, begin(&payment)).await;
    let capture = end(&begun, &ChargeOutcome::Captured);
    let marked = done(&store, begun.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(refused(&store, &capture).await, marked);
    assert_eq!(store.entries(payment.order_id).await.unwrap(), []);

    let capture = end(&marked, &ChargeOutcome::Captured);
    let captured = done(&store, capture.clone()).await;
    assert_eq!(refused(&store, &capture).await, captured);
    let refund = captured.refunds[0].refund_id;
    let issue = captured.end_refund(
        refund,
        &RefundEnd::Issued,
        SystemClock.now(),
        &EventContext::default(),
    );
    let issue = issue.unwrap();
    done(&store, issue.clone()).await;
    let entries = [capture.entry.unwrap(), issue.entry.unwrap()];
    assert_eq!(store.entries(payment.order_id).await.unwrap(), entries);
    assert_eq!(store.entries(OrderId::derive(&[b"another"])).await.unwrap(), []);
}

async fn a_payment_reads_back_whole(store: impl Store) {
    let payment = done(&store, Payment::pending(&reserved(), &EventContext::default())).await;
    let begun = done(&store, begin(&payment)).await;
    let captured = done(&store, end(&begun, &ChargeOutcome::Captured)).await;
    let refunding = done(&store, captured.cancel(&EventContext::default()).unwrap()).await;
    let reason = DeclineCode::new("charge_disputed");
    let failed = refunding.end_refund(
        refunding.refunds[0].refund_id,
        &RefundEnd::Failed { reason },
        SystemClock.now(),
        &EventContext::default(),
    );
    let failed = done(&store, failed.unwrap()).await;
    assert_eq!(store.payment(payment.order_id).await.unwrap(), Some(failed));

    let payment = done(&store, Payment::pending(&reserved(), &EventContext::default())).await;
    let declined = ChargeOutcome::Failed { reason: DeclineCode::new("insufficient_funds") };
    let declined = done(&store, end(&payment, &declined)).await;
    assert_eq!(store.payment(payment.order_id).await.unwrap(), Some(declined));
}

async fn a_cancellation_before_its_payment_is_kept(store: impl Store) {
    let reserved = reserved();
    let cancelled = OrderCancelled {
        order_id: reserved.order_id,
        user_id: reserved.user_id,
        reason: CancelReason::OutOfStock,
    };
    let tombstone = done(&store, Payment::tombstone(&cancelled, &EventContext::default())).await;
    assert_eq!(
        refused(&store, &Payment::pending(&reserved, &EventContext::default())).await,
        tombstone
    );
}

#[tokio::test]
async fn a_clean_charge_takes_three_round_trips() {
    let store = DynamoPayments::on(rialto_testkit::new_table(SERVICE).await);
    let provider = MemoryProvider::default();
    let (reserved, cause) = (reserved(), EventContext::default());
    let charge = || on_stock_reserved(&store, &provider, &reserved, &cause, &SystemClock);
    let (charged, calls) = rialto_aws::calls::count_requests(charge()).await;
    assert_eq!((charged.unwrap(), calls), (Write::Done, 3));
    let (again, calls) = rialto_aws::calls::count_requests(charge()).await;
    assert_eq!((again.unwrap(), calls), (Write::Conflict(()), 1));
}

#[tokio::test]
async fn a_write_carries_its_events_until_the_next() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoPayments::on(table.clone());
    let outbox = async |order: OrderId| {
        let key = rialto_dynamo::Key::new(format!("ORDER#{order}"), "PAYMENT");
        let item = table.get(&key).await.unwrap().unwrap();
        item.get(rialto_dynamo::OUTBOX).map(|events| events.as_s().unwrap().clone())
    };
    let payment = done(&store, Payment::pending(&reserved(), &EventContext::default())).await;
    assert_eq!(outbox(payment.order_id).await, None);
    let begun = done(&store, begin(&payment)).await;
    let capture = end(&begun, &ChargeOutcome::Captured);
    let captured = done(&store, capture.clone()).await;
    let events = serde_json::to_string(&capture.events).unwrap();
    assert_eq!(outbox(payment.order_id).await, Some(events));
    done(&store, captured.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(outbox(payment.order_id).await, None);
}

async fn what_is_under_way_is_due_from_its_deadline_on_until_it_ends(store: impl Store) {
    let (first, second) = (reserved(), reserved());
    let deadline = first.expires_at.max(second.expires_at);
    let due = async |now, limit| {
        let mut due = store.due_before(now, limit).await.unwrap();
        due.sort_unstable();
        due
    };
    let mut both = vec![first.order_id, second.order_id];
    both.sort_unstable();

    let opened = done(&store, Payment::pending(&first, &EventContext::default())).await;
    assert_eq!(due(deadline, 100).await, []);
    let begun = done(&store, begin(&opened)).await;
    let other = done(&store, Payment::pending(&second, &EventContext::default())).await;
    let other = done(&store, begin(&other)).await;
    assert_eq!(due(SystemClock.now(), 100).await, []);
    assert_eq!(due(deadline, 100).await, both);
    assert_eq!(due(deadline, 1).await.len(), 1);

    done(&store, end(&other, &ChargeOutcome::Failed { reason: DeclineCode::new("canceled") }))
        .await;
    assert_eq!(due(deadline, 100).await, [first.order_id]);
    let captured = done(&store, end(&begun, &ChargeOutcome::Captured)).await;
    assert_eq!(due(deadline, 100).await, []);
    let refunding = done(&store, captured.cancel(&EventContext::default()).unwrap()).await;
    assert_eq!(due(deadline, 100).await, [first.order_id]);
    let refund = refunding.refunds[0].refund_id;
    let issued = refunding.end_refund(
        refund,
        &RefundEnd::Issued,
        SystemClock.now(),
        &EventContext::default(),
    );
    done(&store, issued.unwrap()).await;
    assert_eq!(due(deadline, 100).await, []);
}
