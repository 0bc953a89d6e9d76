use super::get_payment::{PaymentBody, viewer};
use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::{
        get_payment::{ViewedPayment, Viewer, view},
        pay_again::{PayAgain, PayAgainError, pay_again},
    },
    domain::payment::PaymentMethodId,
};
use rialto_kernel::{Clock, Fields, Invalid, OrderId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, ProblemCode, Request, Response},
    telemetry::InvocationContext,
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("payments-pay-again", |app| http::handler(PayState::open(app), handle));
}

#[derive(Clone)]
pub(crate) struct PayState {
    store: DynamoPayments,
    provider: HttpProvider,
    clock: Arc<dyn Clock>,
}

impl PayState {
    fn open(app: &FunctionContext) -> Self {
        Self {
            store: DynamoPayments::open(app),
            provider: HttpProvider::open(app),
            clock: Arc::clone(&app.clock),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayAgainRequest {
    /// The payment provider's id of the buyer's payment method.
    #[schema(min_length = 4, max_length = 64, pattern = "^pm_[A-Za-z0-9_]+$")]
    payment_method: String,
}

impl PayAgainRequest {
    fn parse(self) -> Result<PaymentMethodId, Invalid> {
        let mut fields = Fields::default();
        let method = fields.field("payment_method", PaymentMethodId::parse(&self.payment_method));
        fields.build(method)
    }
}

/// Pay an order with another payment method
///
/// For the order's buyer, after a charge has failed, until `retry_until`; otherwise 409
/// `illegal_transition`. The earlier charge is cancelled first; if it has succeeded after all, that
/// is the payment, and the response is the same 409. Requests with the same Idempotency-Key make
/// one attempt, and get the payment as it is then. If the provider doesn't respond, the response is
/// 503 and no attempt was made, or the attempt is continued within minutes.
#[utoipa::path(
    post, path = "/orders/{order_id}/payment",
    params(
        ("order_id" = OrderId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255),
    ),
    request_body = PayAgainRequest,
    responses((status = 200, body = Data<PaymentBody>)),
)]
pub(crate) async fn handle(state: PayState, request: Request) -> Result<Response, Problem> {
    let PayState { store, provider, clock } = state;
    let caller = request.caller()?;
    let order = request.path("order_id")?;
    let idempotency_key = request.idempotency_key()?;
    let method = request.json::<PayAgainRequest>()?.parse()?;
    let command = PayAgain { order, payment_method: method.as_str(), idempotency_key };
    let may_pay = |user| viewer(caller, user) != Viewer::Other;
    let traceparent = Some(InvocationContext::current().trace.traceparent());
    let paid = pay_again(&store, &provider, &command, may_pay, traceparent, &*clock).await?;
    let unviewed = ViewedPayment { payment: paid.payment.clone(), next_action: None };
    // The attempt was made, whether or not the provider responds now.
    let viewed = view(&provider, paid.payment, |user| viewer(caller, user)).await;
    let viewed = viewed.unwrap_or(unviewed);
    let body = PaymentBody::from_viewed(viewed, clock.now()).ok_or_else(Problem::not_found)?;
    let response = Response::ok(&body);
    Ok(if paid.replayed { response.header("Idempotent-Replayed", "true") } else { response })
}

impl From<PayAgainError> for Problem {
    fn from(error: PayAgainError) -> Self {
        match error {
            PayAgainError::NotFound => Self::not_found(),
            PayAgainError::KeyReused => Self::new(ProblemCode::KeyReused),
            PayAgainError::NotRetryable(state) => {
                Self::new(ProblemCode::IllegalTransition).with("state", state)
            }
            PayAgainError::EarlierCharge(error) => Self::unavailable(error),
            PayAgainError::Store(error) => error.into(),
        }
    }
}
