use crate::{domain::product::Product, ports::PublicProductReader};
use rialto_kernel::{ProductId, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum GetProductError {
    #[error("product not found or not public")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gets a public product, eventually consistent: a change may take a second to be seen.
///
/// # Errors
/// [`GetProductError`] unless the product's effective status is SELL or SOLD_OUT.
pub async fn get_product(
    store: &impl PublicProductReader,
    product: ProductId,
) -> Result<Product, GetProductError> {
    let product = store.recent_product(product).await?;
    product.filter(Product::is_public).ok_or(GetProductError::NotFound)
}
