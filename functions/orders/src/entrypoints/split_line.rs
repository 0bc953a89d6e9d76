use super::{
    line_requests::{changed, line_request, pieces_request},
    views::OrderBody,
};
use crate::{adapters::dynamodb::DynamoOrders, application::split_line::split_line};
use rialto_kernel::{OrderId, Quantity};
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-split-line", |app| http::handler(DynamoOrders::open(app), handle));
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitLineRequest {
    /// The pieces of the new line, fewer than the line has.
    #[schema(minimum = 1, maximum = 998)]
    quantity: i64,
}

/// Split a line
///
/// Splits so many pieces, with their share, off an ORDERED or ACCEPTED line whose delivery has not
/// started, so that they can be delivered separately. Requests with the same Idempotency-Key are applied
/// once. For its seller and supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/lines/{line_no}/split",
    params(
        ("order_id" = OrderId, Path),
        ("line_no" = u32, Path, minimum = 1),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255),
    ),
    request_body = SplitLineRequest,
    responses(
        (status = 200, body = Data<OrderBody>,
            headers(("Idempotent-Replayed" = Option<bool>))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`) or `limit_reached`"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let line = line_request(&request)?;
    let body = request.json::<SplitLineRequest>()?;
    let quantity =
        Quantity::new(body.quantity).map_err(|error| Problem::field("quantity", error))?;
    let pieces = pieces_request("split", &line, quantity, request.idempotency_key()?, &body);
    let (now, cause) = (request.now(), request.event_context());
    Ok(changed(&split_line(&store, &line, &pieces, now, &cause).await?))
}
