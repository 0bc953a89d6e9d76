use crate::{domain::stock::Stock, ports::StockReader};
use rialto_kernel::{ProductId, SellerId, StoreError};

/// Why stock isn't shown.
#[derive(Debug, thiserror::Error)]
pub enum GetStockError {
    #[error("no such product")]
    NotFound,
    #[error("somebody else's product")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// # Errors
/// [`GetStockError`] unless the product exists and `may_see` its seller's stock.
pub async fn get_stock(
    store: &impl StockReader,
    product: ProductId,
    may_see: impl Fn(SellerId) -> bool,
) -> Result<Stock, GetStockError> {
    let stock = store.stock(product).await?.ok_or(GetStockError::NotFound)?;
    if may_see(stock.seller_id) { Ok(stock) } else { Err(GetStockError::Forbidden) }
}
