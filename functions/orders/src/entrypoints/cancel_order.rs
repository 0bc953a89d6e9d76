use super::views::{OrderBody, requester};
use crate::{
    adapters::dynamodb::DynamoOrders,
    application::cancel_order::{CancelOrderError, cancel_order},
};
use rialto_kernel::OrderId;
use rialto_lambda::http::{self, Data, Problem, ProblemBody, ProblemCode, Request, Response};

pub fn main() {
    http::serve("orders-cancel-order", |app| http::handler(DynamoOrders::open(app), handle));
}

/// Cancel an order
///
/// Cancels all lines of a PENDING order. After the confirmation, it requests the cancellation of each
/// line that can still be cancelled; if none can, it fails with the order's `state`. For its buyer and
/// supervisors.
#[utoipa::path(
    post, path = "/orders/{order_id}/cancel",
    params(("order_id" = OrderId, Path)),
    responses(
        (status = 200, body = Data<OrderBody>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`)"),
    ),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let requester = requester(request.caller()?);
    let order_id = request.path("order_id")?;
    let order =
        cancel_order(&store, order_id, requester, request.now(), &request.event_context()).await?;
    Ok(Response::ok(&OrderBody::from(&order)))
}

impl From<CancelOrderError> for Problem {
    fn from(error: CancelOrderError) -> Self {
        match error {
            CancelOrderError::NotFound => Self::not_found(),
            CancelOrderError::IllegalTransition(state) => {
                Self::new(ProblemCode::IllegalTransition).with("state", state)
            }
            CancelOrderError::Store(error) => error.into(),
        }
    }
}
