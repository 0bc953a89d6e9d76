use super::{
    line_requests::{changed, line_request, optional_json, optional_pieces},
    views::OrderBody,
};
use crate::{adapters::dynamodb::DynamoOrders, application::cancel_line::cancel_line};
use rialto_kernel::{OrderId, Quantity};
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-cancel-line", |app| http::handler(DynamoOrders::open(app), handle));
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelLineRequest {
    /// The pieces to cancel; without it, all.
    #[schema(minimum = 1, maximum = 999)]
    quantity: Option<i64>,
}

/// Request the cancellation of a line
///
/// ORDERED or ACCEPTED becomes CANCELING, unless its delivery has started. With a `quantity` below the
/// line's, so many pieces are split off and only they become CANCELING; requests with a `quantity` and
/// the same Idempotency-Key are applied once. For its buyer and supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/lines/{line_no}/cancel",
    params(
        ("order_id" = OrderId, Path),
        ("line_no" = u32, Path, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Required with a `quantity`"),
    ),
    request_body = Option<CancelLineRequest>,
    responses(
        (status = 200, body = Data<OrderBody>,
            headers(("Idempotent-Replayed" = Option<bool>))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`) or `limit_reached`"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let line = line_request(&request)?;
    let body: CancelLineRequest = optional_json(&request)?;
    let quantity = body.quantity.map(Quantity::new).transpose();
    let quantity = quantity.map_err(|error| Problem::field("quantity", error))?;
    let pieces = optional_pieces(&request, "cancel", &line, quantity, &body)?;
    let (now, cause) = (request.now(), request.event_context());
    Ok(changed(&cancel_line(&store, &line, pieces.as_ref(), now, &cause).await?))
}
