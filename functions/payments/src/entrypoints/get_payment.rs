use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::get_payment::{GetPaymentError, ViewedPayment, Viewer, get_payment},
    domain::{
        dispute::{Dispute, DisputeStanding},
        intent::NextAction,
        payment::{Payment, PaymentState},
        refund::{Refund, RefundKind, RefundState},
    },
};
use rialto_kernel::{AccountId, Amount, Currency, OrderId, PaymentId, RefundId, Timestamp, UserId};
use rialto_lambda::{
    caller::Caller,
    http::{self, Data, Problem, Request, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("payments-get-payment", |app| {
        http::handler((DynamoPayments::open(app), HttpProvider::open(app)), handle)
    });
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
    /// The payment method of the latest attempt.
    pub payment_method: String,
    /// Oldest first.
    pub refunds: Vec<RefundBody>,
    /// The dispute that was opened last; null if there was none.
    pub dispute: Option<DisputeBody>,
    /// Until when the order may be paid with another payment method, while that is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_until: Option<Timestamp>,
    /// How the buyer can authenticate the payment, while its state is REQUIRES_ACTION. Only for the
    /// buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_action: Option<NextActionBody>,
}

/// How the buyer can authenticate a payment. It must not be stored or logged.
#[derive(Serialize, ToSchema)]
#[schema(as = NextAction)]
pub struct NextActionBody {
    /// The page to send the buyer to; null if the provider's script has to show it.
    pub url: Option<String>,
    /// What the provider's script needs.
    pub client_secret: Option<String>,
}

impl std::fmt::Debug for NextActionBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NextActionBody { … }")
    }
}

impl From<NextAction> for NextActionBody {
    fn from(NextAction { url, client_secret }: NextAction) -> Self {
        Self { url, client_secret }
    }
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
    pub(super) fn from_viewed(viewed: ViewedPayment, now: Timestamp) -> Option<Self> {
        let next_action = viewed.next_action.map(NextActionBody::from);
        Some(Self { next_action, ..Self::from_payment(&viewed.payment, now)? })
    }

    pub(super) fn from_payment(payment: &Payment, now: Timestamp) -> Option<Self> {
        let charge = payment.charge.as_ref()?;
        Some(Self {
            order_id: payment.order_id,
            payment_id: payment.payment_id,
            state: payment.state,
            captured: payment.captured,
            refunded: payment.refunded(),
            settled: payment.settled(),
            waiting: payment.waiting(),
            refund_due: payment.refund_due(),
            currency: charge.currency,
            payment_method: charge.payment_method.clone(),
            refunds: payment.refunds.iter().map(RefundBody::from).collect(),
            dispute: payment.disputes.last().map(DisputeBody::from),
            retry_until: payment.retry_until.filter(|_| payment.may_pay_again(now)),
            next_action: None,
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
/// While its state is REQUIRES_ACTION, the buyer gets the provider's page for the authentication;
/// if the provider doesn't respond, the response is 503.
#[utoipa::path(
    get, path = "/orders/{order_id}/payment",
    params(("order_id" = OrderId, Path)),
    responses((status = 200, body = Data<PaymentBody>)),
)]
pub(crate) async fn handle(
    (store, provider): (DynamoPayments, HttpProvider),
    request: Request,
) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let order = request.path("order_id")?;
    let viewed = get_payment(&store, &provider, order, |user| viewer(caller, user)).await?;
    let body = PaymentBody::from_viewed(viewed, request.now()).ok_or_else(Problem::not_found)?;
    Ok(Response::ok(&body))
}

/// How a caller sees the payments of a buyer.
pub(super) fn viewer(caller: Caller, buyer: UserId) -> Viewer {
    match caller.account {
        AccountId::User(user) if user == buyer => Viewer::Buyer,
        AccountId::Supervisor(_) => Viewer::Supervisor,
        _ => Viewer::Other,
    }
}

impl From<GetPaymentError> for Problem {
    fn from(error: GetPaymentError) -> Self {
        match error {
            GetPaymentError::NotFound => Self::not_found(),
            GetPaymentError::Store(error) => error.into(),
            GetPaymentError::Provider(error) => Self::unavailable(error),
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
    fn a_payment_body_shows_what_was_paid_and_refunded() {
        let refunding = refunding();
        let refund_id = refunding.refunds[0].refund_id;
        let cause = EventContext::default();
        let refunded =
            refunding.settle_refund(refund_id, &RefundOutcome::Issued, NOW, &cause).unwrap();
        let payment = refunded.payment;
        let body = serde_json::to_value(PaymentBody::from_payment(&payment, NOW).unwrap()).unwrap();
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
            "payment_method": "pm_card_visa",
            "refunds": [refund],
            "dispute": null,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_payment_body_has_the_next_action_unlogged() {
        let next_action = Some(NextAction {
            url: Some("https://provider.example/1".to_owned()),
            client_secret: Some("pi_1_secret_1".to_owned()),
        });
        let viewed = ViewedPayment { payment: refunding(), next_action };
        let body = PaymentBody::from_viewed(viewed, NOW).unwrap();
        assert!(!format!("{body:?}").contains("secret_1"));
        assert_eq!(
            serde_json::to_value(body).unwrap()["next_action"],
            json!({"url": "https://provider.example/1", "client_secret": "pi_1_secret_1"})
        );
    }

    #[test]
    fn a_tombstone_has_no_payment_body() {
        let tombstone = Payment::tombstone(&order_cancelled(), &EventContext::default());
        assert!(PaymentBody::from_payment(&tombstone.payment, NOW).is_none());
    }
}
