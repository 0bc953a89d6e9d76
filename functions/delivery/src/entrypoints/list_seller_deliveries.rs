use super::views::DeliveryBody;
use crate::{adapters::dynamodb::DynamoDelivery, ports::DeliveryLister};
use rialto_kernel::SellerId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("delivery-list-seller-deliveries", |app| {
        http::handler(DynamoDelivery::open(app), handle)
    });
}

/// List a seller's deliveries
///
/// Newest first, in every state. For the seller and supervisors.
#[utoipa::path(
    get, path = "/sellers/{seller_id}/deliveries",
    params(
        ("seller_id" = SellerId, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<DeliveryBody>>)),
)]
pub(crate) async fn handle(store: DynamoDelivery, request: Request) -> Result<Response, Problem> {
    let seller = request.path("seller_id")?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (deliveries, next) = store.list_by_seller(seller, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = deliveries.iter().map(DeliveryBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
