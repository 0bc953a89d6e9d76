use super::views::DeliveryBody;
use crate::{adapters::dynamodb::DynamoDelivery, ports::DeliveryLister};
use rialto_kernel::UserId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("delivery-list-user-deliveries", |app| {
        http::handler(DynamoDelivery::open(app), handle)
    });
}

/// List a buyer's deliveries
///
/// What is under way, newest first: a delivery leaves the list when its receipt is confirmed or it
/// is cancelled. For the buyer and supervisors.
#[utoipa::path(
    get, path = "/users/{user_id}/deliveries",
    params(
        ("user_id" = UserId, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<DeliveryBody>>)),
)]
pub(crate) async fn handle(store: DynamoDelivery, request: Request) -> Result<Response, Problem> {
    let user = request.path("user_id")?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (deliveries, next) = store.list_under_way(user, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = deliveries.iter().map(DeliveryBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
