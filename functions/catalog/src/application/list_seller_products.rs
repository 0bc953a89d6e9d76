use crate::ports::{ProductPage, SellerProductReader};
use rialto_kernel::{SellerId, StoreError};

/// Lists a seller's products of every status, newest first. The caller must be authorised already.
///
/// # Errors
/// [`StoreError`] if the products can't be read.
pub async fn list_seller_products(
    store: &impl SellerProductReader,
    seller: SellerId,
    limit: u32,
    position: Option<&str>,
) -> Result<ProductPage, StoreError> {
    store.seller_products(seller, limit, position).await
}
