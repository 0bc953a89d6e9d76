use super::views::StockBody;
use crate::{
    adapters::dynamodb::DynamoInventory,
    application::get_stock::{GetStockError, get_stock},
};
use rialto_kernel::ProductId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("inventory-get-stock", |app| http::handler(DynamoInventory::open(app), handle));
}

/// Get a product's stock
///
/// For the product's seller and supervisors.
#[utoipa::path(
    get, path = "/products/{product_id}/stock",
    params(("product_id" = ProductId, Path)),
    responses((status = 200, body = Data<StockBody>)),
)]
pub(crate) async fn handle(store: DynamoInventory, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let product = request.path("product_id")?;
    let stock = get_stock(&store, product, |seller| caller.acts_for_seller(seller)).await?;
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
