use super::{
    line_requests::{changed, line_request, optional_pieces},
    views::OrderBody,
};
use crate::{
    adapters::dynamodb::DynamoOrders, application::return_line::return_line,
    domain::line::ReturnReason,
};
use rialto_kernel::{Fields, Invalid, OrderId, Quantity, Text};
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-return-line", |app| http::handler(DynamoOrders::open(app), handle));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnLineRequest {
    #[schema(value_type = Text<1, 200>, inline)]
    reason: String,
    /// The pieces to return; without it, all.
    #[schema(minimum = 1, maximum = 999)]
    quantity: Option<i64>,
}

#[derive(Debug, Serialize)]
struct RequestedReturn {
    reason: ReturnReason,
    quantity: Option<Quantity>,
}

impl ReturnLineRequest {
    fn parse(self) -> Result<RequestedReturn, Invalid> {
        let mut fields = Fields::default();
        let reason = fields.field("reason", ReturnReason::parse(&self.reason));
        let quantity = match self.quantity.map(Quantity::new) {
            Some(quantity) => fields.field("quantity", quantity).map(Some),
            None => Some(None),
        };
        let parsed = reason.zip(quantity);
        fields.build(parsed.map(|(reason, quantity)| RequestedReturn { reason, quantity }))
    }
}

/// Request the return of a line
///
/// COMPLETED becomes RETURN_REQUESTED, within the return window of its delivery. With a `quantity` below
/// the line's, so many pieces are split off and only they are returned; requests with a `quantity` and
/// the same Idempotency-Key are applied once. For its buyer and supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/lines/{line_no}/return",
    params(
        ("order_id" = OrderId, Path),
        ("line_no" = u32, Path, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Required with a `quantity`"),
    ),
    request_body = ReturnLineRequest,
    responses(
        (status = 200, body = Data<OrderBody>,
            headers(("Idempotent-Replayed" = Option<bool>))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`) or `limit_reached`"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let line = line_request(&request)?;
    let body = request.json::<ReturnLineRequest>()?.parse()?;
    let pieces = optional_pieces(&request, "return", &line, body.quantity, &body)?;
    let (now, cause) = (request.now(), request.event_context());
    let returned = return_line(&store, &line, &body.reason, pieces.as_ref(), now, &cause);
    Ok(changed(&returned.await?))
}
