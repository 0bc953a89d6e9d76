use super::{route_state::RouteState, views::OwnProductBody};
use crate::{application::set_product_status::set_product_status, domain::status};
use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{Invalid, ProductId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("catalog-set-product-status", |app| http::handler(RouteState::open(app), handle));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetProductStatusRequest {
    #[schema(value_type = ProductStatus)]
    status: String,
}

impl SetProductStatusRequest {
    fn parse(&self) -> Result<ProductStatus, Invalid> {
        status::parse(&self.status).map_err(|error| Invalid::field("status", error))
    }
}

/// Set a product's status
///
/// From REGISTERED to SELL or SOLD_OUT, from either of these to the other, and from any of them to
/// UNREGISTERED. For the product's seller and supervisors.
#[utoipa::path(
    put, path = "/products/{product_id}/status",
    params(
        ("product_id" = ProductId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the product's entity tags: 412 if it has another one."),
    ),
    request_body = SetProductStatusRequest,
    responses(
        (status = 200, body = Data<OwnProductBody>, headers(
            ("ETag" = String, description = "Changes with what the seller can change."),
        )),
    ),
)]
pub(crate) async fn handle(state: RouteState, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let product = request.path("product_id")?;
    let status = request.json::<SetProductStatusRequest>()?.parse()?;
    let if_match = request.if_match()?;
    let currency = state.currency().await?;
    let is_owner = |seller| caller.acts_for_seller(seller);
    let (now, context) = (request.now(), request.event_context());
    let product =
        set_product_status(&state.store, product, status, &if_match, is_owner, now, &context)
            .await?;
    Ok(Response::ok(&OwnProductBody::new(&product, currency)).etag(&product.etag()))
}
