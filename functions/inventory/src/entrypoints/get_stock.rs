use crate::{
    adapters::dynamodb::DynamoInventory,
    application::get_stock::{GetStockError, get_stock},
    domain::stock::Stock,
};
use rialto_kernel::ProductId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("inventory-get-stock", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoInventory::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// A product's stock, in units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stock)]
pub struct StockBody {
    pub product_id: ProductId,
    /// Free to be ordered.
    pub available: u64,
    /// Held for orders that aren't confirmed yet.
    pub reserved: u64,
    /// Sold with confirmed orders.
    pub sold: u64,
}

impl From<&Stock> for StockBody {
    fn from(stock: &Stock) -> Self {
        Self {
            product_id: stock.product_id,
            available: stock.available,
            reserved: stock.reserved,
            sold: stock.sold,
        }
    }
}

/// Get a product's stock
///
/// For the product's seller and supervisors.
#[utoipa::path(
    get, path = "/products/{product_id}/stock",
    params(("product_id" = ProductId, Path)),
    responses((status = 200, body = Data<StockBody>)),
)]
pub(crate) async fn handle(
    store: &DynamoInventory,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let product = request.path("product_id")?;
    let stock = get_stock(store, product, |seller| caller.acts_for_seller(seller)).await?;
    Ok(Response::ok(&StockBody::from(&stock)))
}

impl From<GetStockError> for Problem {
    fn from(error: GetStockError) -> Self {
        match error {
            GetStockError::NotFound => Self::not_found(),
            GetStockError::Forbidden => Self::forbidden(),
            GetStockError::Store(error) => error.into(),
        }
    }
}
