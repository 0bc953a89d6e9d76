use super::{line_requests::change_line, views::OrderBody};
use crate::{adapters::dynamodb::DynamoOrders, application::accept_line::accept_line};
use rialto_kernel::OrderId;
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};

pub fn main() {
    http::serve("orders-accept-line", |app| http::handler(DynamoOrders::open(app), handle));
}

/// Accept a line
///
/// ORDERED becomes ACCEPTED: the seller will deliver it. For its seller and supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/lines/{line_no}/accept",
    params(
        ("order_id" = OrderId, Path),
        ("line_no" = u32, Path, minimum = 1),
    ),
    responses(
        (status = 200, body = Data<OrderBody>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`)"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    change_line(&store, &request, accept_line).await
}
