use super::{
    route_state::{CACHE_CONTROL, RouteState},
    views::ProductBody,
};
use crate::application::get_product::{GetProductError, get_product};
use rialto_kernel::ProductId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("catalog-get-product", |app| http::handler(RouteState::open(app), handle));
}

/// Get a product
///
/// Public while its status is SELL or SOLD_OUT. Eventually consistent: a change may take some
/// seconds to be seen.
#[utoipa::path(
    get, path = "/products/{product_id}",
    params(("product_id" = ProductId, Path)),
    responses(
        (status = 200, body = Data<ProductBody>, headers(
            ("ETag" = String, description = "Changes with what the seller can change."),
            ("Cache-Control" = String, description = "A few seconds, for caches of everybody."),
        )),
    ),
)]
pub(crate) async fn handle(state: RouteState, request: Request) -> Result<Response, Problem> {
    let product = get_product(&state.store, request.path("product_id")?).await?;
    let body = ProductBody::new(&product, state.currency().await?);
    Ok(Response::ok(&body).etag(&product.etag()).header("Cache-Control", CACHE_CONTROL))
}

impl From<GetProductError> for Problem {
    fn from(error: GetProductError) -> Self {
        match error {
            GetProductError::NotFound => Self::not_found(),
            GetProductError::Store(error) => error.into(),
        }
    }
}
