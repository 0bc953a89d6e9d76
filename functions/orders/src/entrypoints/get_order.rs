use super::views::{OrderBody, requester};
use crate::{
    adapters::dynamodb::DynamoOrders,
    application::get_order::{GetOrderError, get_order},
};
use rialto_kernel::OrderId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("orders-get-order", |app| http::handler(DynamoOrders::open(app), handle));
}

/// Get an order
///
/// For its buyer and supervisors; for its sellers with their own lines only, once it was CONFIRMED.
#[utoipa::path(
    get, path = "/orders/{order_id}",
    params(("order_id" = OrderId, Path)),
    responses((status = 200, body = Data<OrderBody>)),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let requester = requester(request.caller()?);
    let view = get_order(&store, request.path("order_id")?, requester).await?;
    Ok(Response::ok(&OrderBody::from(&view)))
}

impl From<GetOrderError> for Problem {
    fn from(error: GetOrderError) -> Self {
        match error {
            GetOrderError::NotFound => Self::not_found(),
            GetOrderError::Store(error) => error.into(),
        }
    }
}
