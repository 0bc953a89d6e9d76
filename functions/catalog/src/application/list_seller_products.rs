use crate::ports::{ProductPage, SellerProductReader};
use rialto_kernel::{SellerId, StoreError};

/// A seller's products of every status, newest first. Whether the caller is that seller was settled before.
///
/// # Errors
/// [`StoreError`] when the store can't answer.
pub async fn list_seller_products(
    store: &impl SellerProductReader,
    seller: SellerId,
    limit: u32,
    position: Option<&str>,
) -> Result<ProductPage, StoreError> {
    store.seller_products(seller, limit, position).await
}
