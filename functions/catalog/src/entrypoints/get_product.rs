use crate::{
    adapters::dynamodb::DynamoCatalog,
    application::get_product::{GetProductError, get_product},
    domain::product::Product,
};
use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{
    Amount, BrandId, CategoryId, Currency, ItemId, ProductId, SellerId, Timestamp,
    settings::CURRENCY,
};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
    settings::Settings,
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("catalog-get-product", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, settings) = open(app);
    Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move { handle(&store, &settings, &request).await })
    })
}

/// What every route that shows products needs.
pub(super) fn open(app: &FunctionContext) -> (DynamoCatalog, Arc<Settings>) {
    app.settings.prefetch(&[CURRENCY.name]);
    (DynamoCatalog::open(app), Arc::clone(&app.settings))
}

/// The shop's currency.
pub(super) async fn currency(settings: &Settings) -> Result<Currency, Problem> {
    settings.get(&CURRENCY).await.map_err(Problem::unavailable)
}

/// A product as everybody sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductBody {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub item_id: ItemId,
    pub category_id: CategoryId,
    pub brand_id: BrandId,
    pub title: String,
    /// Any number of lines.
    pub description: String,
    /// `https` URLs.
    pub images: Vec<String>,
    pub price: Amount,
    pub currency: Currency,
    /// What the seller chose, but SOLD_OUT instead of SELL while there is no stock.
    pub status: ProductStatus,
    pub in_stock: bool,
    pub flash_sale: bool,
    /// 1 to 5, rounded to a tenth; none without ratings.
    #[schema(minimum = 1, maximum = 5)]
    pub rating_average: Option<f64>,
    pub rating_count: u64,
    pub created_at: Timestamp,
}

impl ProductBody {
    pub(super) fn new(product: &Product, currency: Currency) -> Self {
        let tenths = product.rating_tenths();
        Self {
            product_id: product.product_id,
            seller_id: product.seller_id,
            item_id: product.item_id,
            category_id: product.category_id,
            brand_id: product.brand_id,
            title: product.title.as_str().to_owned(),
            description: product.description.as_str().to_owned(),
            images: product.images.iter().map(|image| image.as_str().to_owned()).collect(),
            price: product.price,
            currency,
            status: product.effective_status(),
            in_stock: product.in_stock,
            flash_sale: product.flash_sale,
            rating_average: (tenths > 0).then(|| f64::from(tenths) / 10.0),
            rating_count: product.rating_count,
            created_at: product.created_at,
        }
    }
}

/// Read a product
///
/// For everybody, while it shows as SELL or SOLD_OUT.
#[utoipa::path(
    get, path = "/products/{product_id}",
    params(("product_id" = ProductId, Path)),
    responses((status = 200, body = Data<ProductBody>)),
)]
pub(crate) async fn handle(
    store: &DynamoCatalog,
    settings: &Settings,
    request: &Request,
) -> Result<Response, Problem> {
    let product = get_product(store, request.path("product_id")?).await?;
    Ok(Response::ok(&ProductBody::new(&product, currency(settings).await?)))
}

impl From<GetProductError> for Problem {
    fn from(error: GetProductError) -> Self {
        match error {
            GetProductError::NotFound => Self::not_found(),
            GetProductError::Store(error) => error.into(),
        }
    }
}
