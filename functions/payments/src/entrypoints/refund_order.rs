use super::get_payment::RefundBody;
use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::refund_order::{RefundOrder, RefundOrderError, refund_order},
    domain::{
        payment::{GoodwillError, NotCaptured},
        refund::GoodwillReason,
    },
};
use rialto_kernel::{Amount, Fields, Invalid, OrderId, Text};
use rialto_lambda::{
    http::{self, Data, Problem, ProblemCode, Request, Response},
    telemetry::InvocationContext,
};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("payments-refund-order", |app| {
        http::handler((DynamoPayments::open(app), HttpProvider::open(app)), handle)
    });
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundOrderRequest {
    /// In minor units of the order's currency.
    #[schema(minimum = 1, maximum = 1_000_000_000_000i64)]
    amount: i64,
    #[schema(value_type = Text<1, 200>, inline)]
    reason: String,
}

impl RefundOrderRequest {
    fn parse(self) -> Result<(Amount, GoodwillReason), Invalid> {
        let mut fields = Fields::default();
        let amount = match Amount::new(self.amount) {
            Ok(Amount::ZERO) => Err("must be 1 or more".to_owned()),
            amount => amount.map_err(|error| error.to_string()),
        };
        let amount = fields.field("amount", amount);
        let reason = fields.field("reason", GoodwillReason::parse(&self.reason));
        fields.build(amount.zip(reason))
    }
}

/// Refund an order for goodwill
///
/// Refunds an amount that no event of the order accounts for, of at most what is left of the
/// payment, else 409 `limit_reached`; as is the 21st such refund of an order. While a dispute is
/// open, or before the payment was captured, it is 409 `illegal_transition`. Requests with the same
/// Idempotency-Key are applied once; the response has the refund as it is now, and `Location` the
/// payment that shows it. For supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/refunds",
    params(
        ("order_id" = OrderId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255),
    ),
    request_body = RefundOrderRequest,
    responses(
        (status = 201, body = Data<RefundBody>,
            headers(("Location" = String, description = "The payment's relative URL."))),
    ),
)]
pub(crate) async fn handle(
    (store, provider): (DynamoPayments, HttpProvider),
    request: Request,
) -> Result<Response, Problem> {
    let (order_id, idempotency_key) = (request.path("order_id")?, request.idempotency_key()?);
    let (amount, reason) = request.json::<RefundOrderRequest>()?.parse()?;
    let command = RefundOrder { order_id, idempotency_key, amount, reason };
    let traceparent = Some(InvocationContext::current().trace.traceparent());
    let granted = refund_order(&store, &provider, &command, traceparent, request.now()).await?;
    let response = Response::created("payment".to_owned(), &RefundBody::from(&granted.refund));
    Ok(if granted.replayed { response.header("Idempotent-Replayed", "true") } else { response })
}

impl From<RefundOrderError> for Problem {
    fn from(error: RefundOrderError) -> Self {
        match error {
            RefundOrderError::NotFound => Self::not_found(),
            RefundOrderError::Refused(refused) => match refused {
                GoodwillError::KeyReused => Self::new(ProblemCode::KeyReused),
                GoodwillError::NotCaptured(NotCaptured(state)) | GoodwillError::Disputed(state) => {
                    Self::new(ProblemCode::IllegalTransition)
                        .with("state", state)
                        .detail(refused.to_string())
                }
                GoodwillError::TooMany | GoodwillError::MoreThanLeft { .. } => {
                    Self::new(ProblemCode::LimitReached).detail(refused.to_string())
                }
            },
            RefundOrderError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::FieldError;

    fn parse(amount: i64, reason: &str) -> Result<(Amount, GoodwillReason), Invalid> {
        RefundOrderRequest { amount, reason: reason.to_owned() }.parse()
    }

    #[test]
    fn every_invalid_field_of_a_refund_is_named() {
        assert_eq!(parse(250, "arrived late").unwrap().0.minor_units(), 250);
        let fields = |request: Result<_, Invalid>| -> Vec<String> {
            request.unwrap_err().0.into_iter().map(|error: FieldError| error.field).collect()
        };
        assert_eq!(fields(parse(0, " ")), ["amount", "reason"]);
        assert_eq!(fields(parse(-1, "x")), ["amount"]);
    }
}
