use super::{
    get_product::{currency, open},
    register_product::OwnProductBody,
};
use crate::{
    adapters::dynamodb::DynamoCatalog, application::set_product_status::set_product_status,
    domain::status,
};
use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{Invalid, ProductId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
    settings::Settings,
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("catalog-set-product-status", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, settings) = open(app);
    Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move { handle(&store, &settings, &request).await })
    })
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

/// Choose a product's status
///
/// REGISTERED to SELL or SOLD_OUT, from one of these to the other, from any to UNREGISTERED; nothing else. For its seller
/// and supervisors.
#[utoipa::path(
    put, path = "/products/{product_id}/status",
    params(("product_id" = ProductId, Path)),
    request_body = SetProductStatusRequest,
    responses((status = 200, body = Data<OwnProductBody>)),
)]
pub(crate) async fn handle(
    store: &DynamoCatalog,
    settings: &Settings,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let product = request.path("product_id")?;
    let status = request.json::<SetProductStatusRequest>()?.parse()?;
    let currency = currency(settings).await?;
    let may_change = |seller| caller.acts_for_seller(seller);
    let cause = request.cause();
    let product =
        set_product_status(store, product, status, may_change, request.now(), &cause).await?;
    Ok(Response::ok(&OwnProductBody::new(&product, currency)))
}
