use super::{line_requests::change_line, views::OrderBody};
use crate::{adapters::dynamodb::DynamoOrders, application::confirm_cancel::confirm_cancel};
use rialto_kernel::OrderId;
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};

pub fn main() {
    http::serve("orders-confirm-cancel", |app| http::handler(DynamoOrders::open(app), handle));
}

/// Confirm the cancellation of a line
///
/// CANCELING becomes CANCELLED, once delivery holds the line: its stock and its share of the total go
/// back. For its seller and supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/lines/{line_no}/confirm-cancel",
    params(
        ("order_id" = OrderId, Path),
        ("line_no" = u32, Path, minimum = 1),
    ),
    responses(
        (status = 200, body = Data<OrderBody>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`) or `cancel_pending`"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    change_line(&store, &request, confirm_cancel).await
}
