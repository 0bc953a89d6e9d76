use super::{route_state::RouteState, views::OwnProductBody};
use crate::application::list_seller_products::list_seller_products;
use rialto_kernel::SellerId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("catalog-list-seller-products", |app| http::handler(RouteState::open(app), handle));
}

/// List a seller's products
///
/// Products of every status, newest first. For that seller and supervisors.
#[utoipa::path(
    get, path = "/sellers/{seller_id}/products",
    params(
        ("seller_id" = SellerId, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = Data<Vec<OwnProductBody>>),
    ),
)]
pub(crate) async fn handle(state: RouteState, request: Request) -> Result<Response, Problem> {
    let seller = request.path("seller_id")?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (products, next) =
        list_seller_products(&state.store, seller, limit.get(), position.as_deref()).await?;
    let currency = state.currency().await?;
    let items: Vec<_> =
        products.iter().map(|product| OwnProductBody::new(product, currency)).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
