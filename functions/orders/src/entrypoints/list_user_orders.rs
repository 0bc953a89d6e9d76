use super::views::OrderBody;
use crate::{
    adapters::dynamodb::DynamoOrders, application::list_user_orders::list_user_orders,
    domain::order::OrderState,
};
use rialto_kernel::UserId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("orders-list-user-orders", |app| http::handler(DynamoOrders::open(app), handle));
}

/// List a buyer's orders
///
/// Newest first, optionally filtered by state. For the buyer and supervisors.
#[utoipa::path(
    get, path = "/users/{user_id}/orders",
    params(
        ("user_id" = UserId, Path),
        ("state" = Option<OrderState>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<OrderBody>>)),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let user = request.path("user_id")?;
    let query = request.list_query(&["state"])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let state = query.parse("state")?;
    let (orders, next) =
        list_user_orders(&store, user, state, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = orders.iter().map(OrderBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
