use super::{
    line_requests::{changed, line_request},
    views::OrderBody,
};
use crate::{
    adapters::dynamodb::DynamoOrders, application::decline_return::decline_return,
    domain::line::ReturnReason,
};
use rialto_kernel::{OrderId, Text};
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-decline-return", |app| http::handler(DynamoOrders::open(app), handle));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclineReturnRequest {
    #[schema(value_type = Text<1, 200>, inline)]
    reason: String,
}

/// Decline the return of a line
///
/// RETURN_REQUESTED becomes COMPLETED again. For its seller and supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/lines/{line_no}/decline-return",
    params(
        ("order_id" = OrderId, Path),
        ("line_no" = u32, Path, minimum = 1),
    ),
    request_body = DeclineReturnRequest,
    responses(
        (status = 200, body = Data<OrderBody>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`)"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let line = line_request(&request)?;
    let body = request.json::<DeclineReturnRequest>()?;
    let reason =
        ReturnReason::parse(&body.reason).map_err(|error| Problem::field("reason", error))?;
    let (now, cause) = (request.now(), request.event_context());
    Ok(changed(&decline_return(&store, &line, &reason, now, &cause).await?))
}
