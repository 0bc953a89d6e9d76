use crate::{
    adapters::dynamodb::DynamoPayments,
    application::get_payment::{GetPaymentError, get_payment},
    domain::{
        dispute::{Dispute, DisputeStanding},
        payment::{Payment, PaymentState},
        refund::{Refund, RefundKind, RefundState},
    },
};
use rialto_kernel::{Amount, Currency, OrderId, PaymentId, RefundId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("payments-get-payment", |app| http::handler(DynamoPayments::open(app), handle));
}

/// An order's payment. Amounts are in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentBody {
    pub order_id: OrderId,
    pub payment_id: PaymentId,
    pub state: PaymentState,
    /// The amount that was charged.
    pub captured: Amount,
    /// The amount that was refunded.
    pub refunded: Amount,
    /// The amount of refunds that a lost dispute has paid.
    pub settled: Amount,
    /// The amount of refunds that wait for a dispute.
    pub waiting: Amount,
    /// The amount of failed refunds, which is still due to the buyer.
    pub refund_due: Amount,
    pub currency: Currency,
    /// Oldest first.
    pub refunds: Vec<RefundBody>,
    /// The dispute that was opened last; null if there was none.
    pub dispute: Option<DisputeBody>,
}

/// A dispute of the charge by the buyer's bank.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dispute)]
pub struct DisputeBody {
    /// The provider's id.
    pub dispute_id: String,
    pub state: DisputeStanding,
    pub amount: Amount,
}

/// A refund in any state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refund)]
pub struct RefundBody {
    pub refund_id: RefundId,
    /// What it is for.
    pub kind: RefundKind,
    /// The refunded line; null unless the refund is for a line.
    pub line_no: Option<u32>,
    pub amount: Amount,
    pub state: RefundState,
}

impl PaymentBody {
    /// `None` for a tombstone: the order was cancelled before its payment.
    fn from_payment(payment: &Payment) -> Option<Self> {
        Some(Self {
            order_id: payment.order_id,
            payment_id: payment.payment_id,
            state: payment.state,
            captured: payment.captured,
            refunded: payment.refunded(),
            settled: payment.settled(),
            waiting: payment.waiting(),
            refund_due: payment.refund_due(),
            currency: payment.charge.as_ref()?.currency,
            refunds: payment.refunds.iter().map(RefundBody::from).collect(),
            dispute: payment.disputes.last().map(DisputeBody::from),
        })
    }
}

impl From<&Dispute> for DisputeBody {
    fn from(dispute: &Dispute) -> Self {
        Self {
            dispute_id: dispute.dispute_id.as_str().to_owned(),
            state: dispute.state,
            amount: dispute.amount,
        }
    }
}

impl From<&Refund> for RefundBody {
    fn from(refund: &Refund) -> Self {
        Self {
            refund_id: refund.refund_id,
            kind: refund.kind(),
            line_no: refund.line_no,
            amount: refund.amount,
            state: refund.state,
        }
    }
}

/// Get an order's payment
///
/// For the order's buyer and supervisors. The payment exists once the order's stock is reserved.
#[utoipa::path(
    get, path = "/orders/{order_id}/payment",
    params(("order_id" = OrderId, Path)),
    responses((status = 200, body = Data<PaymentBody>)),
)]
pub(crate) async fn handle(store: DynamoPayments, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let order = request.path("order_id")?;
    let payment = get_payment(&store, order, |user| caller.acts_for_user(user)).await?;
    let body = PaymentBody::from_payment(&payment).ok_or_else(Problem::not_found)?;
    Ok(Response::ok(&body))
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
    use crate::{
        domain::refund::RefundOutcome,
        fixtures::{NOW, order_cancelled, refunding},
    };
    use rialto_contracts::EventContext;
    use serde_json::json;

    #[test]
    fn payment_bodies_omit_the_payment_method() {
        let refunding = refunding();
        let refund_id = refunding.refunds[0].refund_id;
        let cause = EventContext::default();
        let refunded =
            refunding.settle_refund(refund_id, &RefundOutcome::Issued, NOW, &cause).unwrap();
        let payment = refunded.payment;
        let body = serde_json::to_value(PaymentBody::from_payment(&payment).unwrap()).unwrap();
        let refund = json!({
            "refund_id": refund_id, "kind": "ORDER", "line_no": null, "amount": 2500, "state": "ISSUED",
        });
        let expected = json!({
            "order_id": payment.order_id,
            "payment_id": payment.payment_id,
            "state": "REFUNDED",
            "captured": 2500,
            "refunded": 2500,
            "settled": 0,
            "waiting": 0,
            "refund_due": 0,
            "currency": "EUR",
            "refunds": [refund],
            "dispute": null,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_tombstone_has_no_payment_body() {
        let tombstone = Payment::tombstone(&order_cancelled(), &EventContext::default());
        assert!(PaymentBody::from_payment(&tombstone.payment).is_none());
    }
}
