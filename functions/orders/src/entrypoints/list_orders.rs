use super::views::OrderBody;
use crate::{
    adapters::dynamodb::DynamoOrders,
    application::list_orders::{OrderFilter, list_orders},
    domain::order::OrderState,
};
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("orders-list-orders", |app| http::handler(DynamoOrders::open(app), handle));
}

/// List all orders
///
/// Newest first, optionally filtered by state. `number` finds the orders with that order number,
/// without case. A page examines at most 1,000 orders and 31 days with orders, so it can be short,
/// or empty, and still have a next page. For supervisors.
#[utoipa::path(
    get, path = "/orders",
    params(
        ("state" = Option<OrderState>, Query),
        ("number" = Option<String>, Query,
            pattern = "^[0-9]{6}-[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{8}$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<OrderBody>>)),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let query = request.list_query(&["state", "number"])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let filter = OrderFilter { number: query.parse("number")?, state: query.parse("state")? };
    let (orders, next) = list_orders(&store, &filter, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = orders.iter().map(OrderBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
