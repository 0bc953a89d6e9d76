use crate::ports::{PaymentReader, PaymentWriter};
use rialto_kernel::{
    OrderId, RefundId, StoreError, Timestamp,
    store::{self, Attempt},
};

/// Begins another try of a failed refund, for the sweep, which reads all earlier tries at the
/// provider before it makes one. The refund stays failed, and its amount due, until a try succeeds.
/// Returns whether a try was begun: `false` unless the refund has failed and no try is under way.
///
/// # Errors
/// [`StoreError`]; it is unknown whether a try was begun.
pub async fn retry_refund(
    store: &(impl PaymentReader + PaymentWriter),
    order: OrderId,
    refund_id: RefundId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    store::update(|| async {
        let payment = store.payment(order).await?;
        let Some(change) = payment.and_then(|payment| payment.retry_failed_refund(refund_id, now))
        else {
            return Ok(Attempt::Done(false));
        };
        Ok(store.save(&change).await?.into_attempt(true))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryPayments, MemoryProvider},
        application::{
            on_order_cancelled::on_order_cancelled, on_stock_reserved::on_stock_reserved,
            sweep::sweep,
        },
        domain::{ledger::LedgerAccount, payment::Payment, refund::RefundState},
        fixtures::{NOW, order_cancelled, stock_reserved},
        ports::LedgerReader,
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{Amount, Clock, Write};
    use rialto_lambda::sweep::SweepRun;
    use std::{sync::Arc, time::Duration};

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            NOW
        }
    }

    /// A cancelled order whose refund the provider has refused.
    async fn refused() -> (MemoryPayments, MemoryProvider, Payment) {
        let (store, provider) = (MemoryPayments::default(), MemoryProvider::default());
        let (reserved, cause) = (stock_reserved(), EventContext::default());
        let window = Duration::ZERO;
        let paid =
            on_stock_reserved(&store, &provider, &reserved, window, &cause, &StoppedClock).await;
        assert_eq!(paid.unwrap(), Write::Done);
        provider.refuse_refunds("expired_or_canceled_card");
        let cancelled = order_cancelled();
        let refunded = on_order_cancelled(&store, &provider, &cancelled, &cause, NOW).await;
        assert_eq!(refunded.unwrap(), Write::Done);
        let payment = store.payments().remove(0);
        assert_eq!(payment.refunds[0].state, RefundState::Failed);
        (store, provider, payment)
    }

    async fn swept(store: &MemoryPayments, provider: &MemoryProvider) -> Payment {
        let run = SweepRun::new(NOW, Timestamp::from_millis(i64::MAX), Arc::new(StoppedClock));
        assert_eq!(sweep(store, provider, &run).await.unwrap().failed, 0);
        store.payments().remove(0)
    }

    #[tokio::test]
    async fn a_failed_refund_is_tried_again_by_the_sweep() {
        let (store, provider, payment) = refused().await;
        let (order, refund_id) = (payment.order_id, payment.refunds[0].refund_id);
        let retry = || retry_refund(&store, order, refund_id, NOW);
        assert_eq!(retry().await, Ok(true));
        assert_eq!(retry().await, Ok(false), "a try is under way");
        let refused = swept(&store, &provider).await;
        assert_eq!(refused.refund_due(), refused.captured);
        assert_eq!((refused.refunds[0].tries, refused.refunds[0].retrying), (2, false));
        assert_eq!(refused.deadline(), None);

        provider.accept_refunds();
        assert_eq!(retry().await, Ok(true));
        let before = store.payments().remove(0);
        assert_eq!((before.refund_due(), before.refunds[0].tries), (before.captured, 3));
        let issued = swept(&store, &provider).await;
        assert_eq!(issued.refunds[0].state, RefundState::Issued);
        assert_eq!((issued.refund_due(), issued.refunded()), (Amount::ZERO, issued.captured));
        assert_eq!(retry().await, Ok(false));
        assert_eq!(provider.refunds(order), [issued.captured]);
        let kinds: Vec<_> = store.published_events().into_iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["PaymentCaptured", "RefundFailed", "RefundIssued"]);
        let entries = store.entries(order).await.unwrap();
        let due = entries.iter().flat_map(|entry| &entry.postings);
        let due = due.filter(|posting| posting.account == LedgerAccount::RefundDue);
        assert_eq!(due.map(|posting| posting.amount).sum::<i64>(), 0);
    }

    #[tokio::test]
    async fn an_earlier_try_that_succeeded_is_not_repeated() {
        let (store, provider, payment) = refused().await;
        let (order, refund_id) = (payment.order_id, payment.refunds[0].refund_id);
        provider.accept_refunds();
        assert_eq!(retry_refund(&store, order, refund_id, NOW).await, Ok(true));
        // A try succeeds, and its outcome isn't recorded.
        let trying = store.payments().remove(0);
        let intent = trying.intent_id.clone().unwrap();
        let created =
            crate::ports::Provider::create_refund(&provider, order, &intent, &trying.refunds[0]);
        assert!(created.await.is_ok());
        let issued = swept(&store, &provider).await;
        assert_eq!(issued.refunds[0].state, RefundState::Issued);
        assert_eq!(provider.created_refunds(order), 1);
    }
}
