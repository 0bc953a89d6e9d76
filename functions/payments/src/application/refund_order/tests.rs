use super::*;
use crate::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    domain::{
        payment::{MAX_GOODWILL_REFUNDS, NotCaptured, PaymentState},
        refund::RefundState,
    },
    fixtures::{NOW, pending, stock_reserved},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, Write};
use std::time::Duration;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

async fn paid() -> (MemoryPayments, MemoryProvider) {
    use crate::application::on_stock_reserved::on_stock_reserved;
    let (store, provider) = (MemoryPayments::default(), MemoryProvider::default());
    let (reserved, cause) = (stock_reserved(), EventContext::default());
    let window = Duration::ZERO;
    let paid = on_stock_reserved(&store, &provider, &reserved, window, &cause, &StoppedClock).await;
    assert_eq!(paid.unwrap(), Write::Done);
    (store, provider)
}

fn request(key: &str, amount: i64) -> RefundOrder<'_> {
    RefundOrder {
        order_id: stock_reserved().order_id,
        idempotency_key: key,
        amount: Amount::new(amount).unwrap(),
        reason: GoodwillReason::parse("arrived late").unwrap(),
    }
}

async fn refund(
    (store, provider): &(MemoryPayments, MemoryProvider),
    request: &RefundOrder<'_>,
) -> Result<GoodwillRefund, RefundOrderError> {
    refund_order(store, provider, request, None, NOW).await
}

fn refusal(result: Result<GoodwillRefund, RefundOrderError>) -> GoodwillError {
    match result {
        Err(RefundOrderError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn goodwill_is_refunded_once_for_each_key() {
    let shop = paid().await;
    let first = refund(&shop, &request("k", 400)).await.unwrap();
    assert_eq!((first.refund.state, first.replayed), (RefundState::Issued, false));
    assert!(first.refund.key.contains("#goodwill#"), "{}", first.refund.key);
    let again = refund(&shop, &request("k", 400)).await.unwrap();
    assert_eq!((again.refund, again.replayed), (first.refund, true));
    assert_eq!(refusal(refund(&shop, &request("k", 401)).await), GoodwillError::KeyReused);
    let other_reason =
        RefundOrder { reason: GoodwillReason::parse("x").unwrap(), ..request("k", 400) };
    assert_eq!(refusal(refund(&shop, &other_reason).await), GoodwillError::KeyReused);
    assert_eq!(shop.1.created_refunds(stock_reserved().order_id), 1);
}

#[tokio::test]
async fn goodwill_never_exceeds_what_is_left() {
    let shop = paid().await;
    assert!(refund(&shop, &request("a", 2_000)).await.is_ok());
    let left = Amount::new(500).unwrap();
    let refused = refusal(refund(&shop, &request("b", 501)).await);
    assert_eq!(refused, GoodwillError::MoreThanLeft { left });
    assert!(refund(&shop, &request("c", 500)).await.is_ok());
    let payment = shop.0.payments().remove(0);
    assert_eq!((payment.state, payment.refunds.len()), (PaymentState::Refunded, 2));
}

#[tokio::test]
async fn an_order_has_a_limited_number_of_goodwill_refunds() {
    let shop = paid().await;
    let keys: Vec<_> = (0..MAX_GOODWILL_REFUNDS).map(|number| number.to_string()).collect();
    for key in &keys {
        assert!(refund(&shop, &request(key, 1)).await.is_ok());
    }
    assert_eq!(refusal(refund(&shop, &request("more", 1)).await), GoodwillError::TooMany);
    assert!(refund(&shop, &request("0", 1)).await.unwrap().replayed);
}

#[tokio::test]
async fn only_a_captured_payment_is_refunded() {
    let shop = (MemoryPayments::default(), MemoryProvider::default());
    let missing = refund(&shop, &request("k", 1)).await;
    assert!(matches!(missing, Err(RefundOrderError::NotFound)), "{missing:?}");
    let stored = Payment::pending(&stock_reserved(), Duration::ZERO, NOW, &EventContext::default());
    assert_eq!(shop.0.save(&stored).await, Ok(Write::Done));
    let refused = refusal(refund(&shop, &request("k", 1)).await);
    assert_eq!(refused, GoodwillError::NotCaptured(NotCaptured(PaymentState::Pending)));
    assert_eq!(shop.0.payments(), [pending()]);
}

#[tokio::test]
async fn a_refund_that_is_not_sent_is_left_to_the_sweep() {
    let shop = paid().await;
    shop.1.refuse_refunds("balance_insufficient");
    let granted = refund(&shop, &request("k", 400)).await.unwrap();
    assert_eq!((granted.refund.state, granted.replayed), (RefundState::Pending, false));
    assert!(shop.0.payments().remove(0).deadline().is_some());
}
