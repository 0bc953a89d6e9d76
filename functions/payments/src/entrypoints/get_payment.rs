use crate::{
    adapters::dynamodb::DynamoPayments,
    application::get_payment::{GetPaymentError, get_payment},
    domain::{
        payment::{Payment, PaymentState},
        refund::{Refund, RefundState},
    },
};
use rialto_kernel::{Amount, Currency, OrderId, PaymentId, RefundId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("payments-get-payment", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoPayments::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// An order's payment, in minor units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentBody {
    pub order_id: OrderId,
    pub payment_id: PaymentId,
    pub state: PaymentState,
    /// What the buyer paid.
    pub captured: Amount,
    /// What went back.
    pub refunded: Amount,
    /// What should have gone back, but the provider refused.
    pub refund_due: Amount,
    pub currency: Currency,
    /// Oldest first.
    pub refunds: Vec<RefundBody>,
}

/// Money given back, or on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refund)]
pub struct RefundBody {
    pub refund_id: RefundId,
    /// The line that it is for, if it is for one.
    pub line_no: Option<u32>,
    pub amount: Amount,
    pub state: RefundState,
}

impl PaymentBody {
    /// None for an order that was cancelled before anything was to be paid.
    fn of(payment: &Payment) -> Option<Self> {
        Some(Self {
            order_id: payment.order_id,
            payment_id: payment.payment_id,
            state: payment.state,
            captured: payment.captured,
            refunded: payment.refunded(),
            refund_due: payment.refund_due(),
            currency: payment.charge.as_ref()?.currency,
            refunds: payment.refunds.iter().map(RefundBody::from).collect(),
        })
    }
}

impl From<&Refund> for RefundBody {
    fn from(refund: &Refund) -> Self {
        Self {
            refund_id: refund.refund_id,
            line_no: refund.line_no,
            amount: refund.amount,
            state: refund.state,
        }
    }
}

/// Read an order's payment
///
/// For the order's buyer and supervisors. There is none until the order's stock is reserved.
#[utoipa::path(
    get, path = "/orders/{order_id}/payment",
    params(("order_id" = OrderId, Path)),
    responses((status = 200, body = Data<PaymentBody>)),
)]
pub(crate) async fn handle(store: &DynamoPayments, request: &Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let order = request.path("order_id")?;
    let payment = get_payment(store, order, |user| caller.acts_for_user(user)).await?;
    PaymentBody::of(&payment).map(|body| Response::ok(&body)).ok_or_else(Problem::not_found)
}

impl From<GetPaymentError> for Problem {
    fn from(error: GetPaymentError) -> Self {
        match error {
            GetPaymentError::NotFound => Self::not_found(),
            GetPaymentError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        intent::{ChargeOutcome, IntentId},
        refund::RefundEnd,
    };
    use rialto_contracts::{
        EventContext,
        inventory::StockReserved,
        orders::{CancelReason, OrderCancelled},
    };
    use rialto_kernel::{Timestamp, UserId};
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn cancelled() -> OrderCancelled {
        let (order_id, user_id) = (OrderId::derive(&[b"o"]), UserId::derive(&[b"u"]));
        OrderCancelled { order_id, user_id, reason: CancelReason::Buyer }
    }

    fn refunded() -> Payment {
        let OrderCancelled { order_id, user_id, .. } = cancelled();
        let opened = Payment::pending(
            &StockReserved {
                order_id,
                user_id,
                total: Amount::new(2_500).unwrap(),
                currency: Currency::parse("EUR").unwrap(),
                payment_method: "pm_card_visa".to_owned(),
                expires_at: Timestamp::from_millis(2),
            },
            &EventContext::default(),
        );
        let begun =
            opened.payment.record_intent(&IntentId::parse("pi_1").unwrap()).unwrap().payment;
        let paid =
            begun.settle(&ChargeOutcome::Captured, NOW, &EventContext::default()).unwrap().payment;
        let cancelled = paid.cancel(&EventContext::default()).unwrap().payment;
        let refund = cancelled.refunds[0].refund_id;
        cancelled
            .end_refund(refund, &RefundEnd::Issued, NOW, &EventContext::default())
            .unwrap()
            .payment
    }

    #[test]
    fn a_payment_is_shown_without_its_means_of_payment() {
        let payment = refunded();
        let body = serde_json::to_value(PaymentBody::of(&payment).unwrap()).unwrap();
        let refund_id = payment.refunds[0].refund_id;
        let expected = json!({
            "order_id": payment.order_id,
            "payment_id": payment.payment_id,
            "state": "REFUNDED",
            "captured": 2500,
            "refunded": 2500,
            "refund_due": 0,
            "currency": "EUR",
            "refunds": [{"refund_id": refund_id, "line_no": null, "amount": 2500, "state": "ISSUED"}],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn an_order_that_was_cancelled_before_its_payment_has_none() {
        assert!(
            PaymentBody::of(&Payment::tombstone(&cancelled(), &EventContext::default()).payment)
                .is_none()
        );
    }
}
