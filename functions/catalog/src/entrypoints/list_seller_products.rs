use super::{
    get_product::{currency, open},
    register_product::OwnProductBody,
};
use crate::{
    adapters::dynamodb::DynamoCatalog, application::list_seller_products::list_seller_products,
};
use rialto_kernel::SellerId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Page, Problem, Request, Response},
    settings::Settings,
};
use std::sync::Arc;

pub fn main() {
    http::serve("catalog-list-seller-products", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, settings) = open(app);
    Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move { handle(&store, &settings, &request).await })
    })
}

/// List a seller's products
///
/// Of every status, newest first. For that seller and supervisors.
#[utoipa::path(
    get, path = "/sellers/{seller_id}/products",
    params(
        ("seller_id" = SellerId, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<OwnProductBody>>)),
)]
pub(crate) async fn handle(
    store: &DynamoCatalog,
    settings: &Settings,
    request: &Request,
) -> Result<Response, Problem> {
    let seller = request.path("seller_id")?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (products, next) =
        list_seller_products(store, seller, limit.get(), position.as_deref()).await?;
    let currency = currency(settings).await?;
    let items: Vec<_> =
        products.iter().map(|product| OwnProductBody::new(product, currency)).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
