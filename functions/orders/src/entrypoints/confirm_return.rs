use super::{
    line_requests::{changed, line_request, optional_json},
    views::OrderBody,
};
use crate::{adapters::dynamodb::DynamoOrders, application::confirm_return::confirm_return};
use rialto_kernel::{Amount, OrderId};
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-confirm-return", |app| http::handler(DynamoOrders::open(app), handle));
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmReturnRequest {
    /// Whether the pieces become available stock again; true if omitted.
    restock: Option<bool>,
    /// The amount to refund in minor units; without it, the line's share.
    #[schema(minimum = 0, maximum = 1_000_000_000_000i64)]
    refund: Option<i64>,
}

/// Confirm the return of a line
///
/// RETURN_REQUESTED becomes RETURNED: `refund` is refunded (by default the line's share, never more), and
/// the pieces become available stock again, unless `restock` is false. For its seller and supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/lines/{line_no}/confirm-return",
    params(
        ("order_id" = OrderId, Path),
        ("line_no" = u32, Path, minimum = 1),
    ),
    request_body = Option<ConfirmReturnRequest>,
    responses(
        (status = 200, body = Data<OrderBody>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`)"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let line = line_request(&request)?;
    let body: ConfirmReturnRequest = optional_json(&request)?;
    let refund = body.refund.map(Amount::new).transpose();
    let refund = refund.map_err(|error| Problem::field("refund", error))?;
    let restock = body.restock.unwrap_or(true);
    let (now, cause) = (request.now(), request.event_context());
    Ok(changed(&confirm_return(&store, &line, restock, refund, now, &cause).await?))
}
