use crate::{domain::stock::Stock, ports::StockReader};
use rialto_kernel::{ProductId, SellerId, StoreError};

/// An error of [`get_stock`].
#[derive(Debug, thiserror::Error)]
pub enum GetStockError {
    #[error("product not found")]
    NotFound,
    #[error("product belongs to another seller")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns a product's stock.
///
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
