use crate::{
    domain::{
        intent::NextAction,
        payment::{Payment, PaymentState},
    },
    ports::{ActionProvider, PaymentReader, ProviderError},
};
use rialto_kernel::{OrderId, StoreError, UserId};

/// An error of [`get_payment`].
#[derive(Debug, thiserror::Error)]
pub enum GetPaymentError {
    /// The order has no payment, or it is another buyer's.
    #[error("payment not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// A payment with what its buyer has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewedPayment {
    pub payment: Payment,
    pub next_action: Option<NextAction>,
}

/// What a caller sees of a buyer's payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    Buyer,
    /// A supervisor, who sees all but how to authenticate a charge.
    Supervisor,
    /// Another buyer, who sees nothing.
    Other,
}

/// Returns an order's payment. While the buyer has to authenticate it, the provider is requested
/// for how, if the buyer views it.
///
/// # Errors
/// [`GetPaymentError`] unless the order has a payment and the viewer may see it.
pub async fn get_payment(
    store: &impl PaymentReader,
    provider: &impl ActionProvider,
    order: OrderId,
    viewer: impl Fn(UserId) -> Viewer,
) -> Result<ViewedPayment, GetPaymentError> {
    let payment = store.payment(order).await?.ok_or(GetPaymentError::NotFound)?;
    view(provider, payment, viewer).await
}

/// The payment as the viewer sees it.
///
/// # Errors
/// [`GetPaymentError`] unless the viewer may see it.
pub async fn view(
    provider: &impl ActionProvider,
    payment: Payment,
    viewer: impl Fn(UserId) -> Viewer,
) -> Result<ViewedPayment, GetPaymentError> {
    let viewer = viewer(payment.user_id);
    if viewer == Viewer::Other {
        return Err(GetPaymentError::NotFound);
    }
    let waits = payment.state == PaymentState::RequiresAction && !payment.cancel_requested;
    let next_action = match &payment.intent_id {
        Some(intent) if waits && viewer == Viewer::Buyer => provider.next_action(intent).await?,
        _ => None,
    };
    Ok(ViewedPayment { payment, next_action })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryPayments, MemoryProvider},
        application::on_stock_reserved::on_stock_reserved,
        fixtures::{NOW, order_cancelled, stock_reserved},
        ports::PaymentWriter,
    };
    use rialto_contracts::{EventContext, inventory::StockReserved};
    use rialto_kernel::{Clock, Timestamp, Write};
    use std::time::Duration;

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            NOW
        }
    }

    #[tokio::test]
    async fn another_buyers_payment_is_not_found() {
        let (store, cancelled) = (MemoryPayments::default(), order_cancelled());
        let provider = MemoryProvider::default();
        let get_as = |viewer| get_payment(&store, &provider, cancelled.order_id, move |_| viewer);
        assert!(matches!(get_as(Viewer::Buyer).await, Err(GetPaymentError::NotFound)));

        let stored = Payment::tombstone(&cancelled, &EventContext::default());
        assert_eq!(store.save(&stored).await, Ok(Write::Done));
        let viewed = ViewedPayment { payment: stored.payment, next_action: None };
        assert_eq!(get_as(Viewer::Buyer).await.unwrap(), viewed);
        assert_eq!(get_as(Viewer::Supervisor).await.unwrap(), viewed);
        assert!(matches!(get_as(Viewer::Other).await, Err(GetPaymentError::NotFound)));
    }

    #[tokio::test]
    async fn only_the_buyer_sees_the_next_action_while_it_is_required() {
        let (store, provider) = (MemoryPayments::default(), MemoryProvider::default());
        let reserved =
            StockReserved { payment_method: "pm_sim_3ds".to_owned(), ..stock_reserved() };
        let cause = EventContext::default();
        let charged =
            on_stock_reserved(&store, &provider, &reserved, Duration::ZERO, &cause, &StoppedClock)
                .await;
        assert_eq!(charged.unwrap(), Write::Done);
        let get_as = |viewer| get_payment(&store, &provider, reserved.order_id, move |_| viewer);
        let viewed = get_as(Viewer::Buyer).await.unwrap();
        let intent = viewed.payment.intent_id.clone().unwrap();
        let action = viewed.next_action.unwrap();
        assert_eq!(action.client_secret, Some(format!("{}_secret_1", intent.as_str())));
        assert!(!serde_json::to_string(&viewed.payment).unwrap().contains("secret"));
        assert_eq!(get_as(Viewer::Supervisor).await.unwrap().next_action, None);

        // Until the webhook the payment is still REQUIRES_ACTION.
        assert_eq!(provider.act(reserved.order_id, true), 1);
        let viewed = get_as(Viewer::Buyer).await.unwrap();
        assert_eq!(
            (viewed.payment.state, viewed.next_action),
            (PaymentState::RequiresAction, None)
        );
    }
}
