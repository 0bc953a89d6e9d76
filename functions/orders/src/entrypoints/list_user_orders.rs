use super::get_order::OrderBody;
use crate::{
    adapters::dynamodb::DynamoOrders, application::list_user_orders::list_user_orders,
    domain::order::OrderState,
};
use rialto_kernel::UserId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Page, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("orders-list-user-orders", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// List a buyer's orders
///
/// Newest first, all or those in one state. For the buyer and supervisors.
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
pub(crate) async fn handle(store: &DynamoOrders, request: &Request) -> Result<Response, Problem> {
    let user = request.path("user_id")?;
    let query = request.list_query(&["state"])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let state = query.parse("state")?;
    let (orders, next) =
        list_user_orders(store, user, state, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = orders.iter().map(OrderBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
