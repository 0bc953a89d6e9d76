use super::get_stock::{GetStockError, get_stock};
use crate::ports::{MovementPage, MovementReader, StockReader};
use rialto_kernel::{ProductId, SellerId};

/// Lists a product's movements, newest first.
///
/// # Errors
/// [`GetStockError`] unless the product exists and `may_see` its seller's stock.
pub async fn list_movements(
    store: &(impl StockReader + MovementReader),
    product: ProductId,
    may_see: impl Fn(SellerId) -> bool,
    limit: u32,
    position: Option<&str>,
) -> Result<MovementPage, GetStockError> {
    get_stock(store, product, may_see).await?;
    Ok(store.movements(product, limit, position).await?)
}
