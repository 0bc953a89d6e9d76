use crate::{domain::product::Product, ports::ProductReader};
use rialto_kernel::{ProductId, StoreError};

/// Why a product isn't shown.
#[derive(Debug, thiserror::Error)]
pub enum GetProductError {
    #[error("no such product, or not a public one")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// # Errors
/// [`GetProductError`] unless the product shows as SELL or SOLD_OUT.
pub async fn get_product(
    store: &impl ProductReader,
    product: ProductId,
) -> Result<Product, GetProductError> {
    let product = store.product(product).await?;
    product.filter(Product::is_public).ok_or(GetProductError::NotFound)
}
