use super::change_product::{ChangeProductError, rewrite};
use crate::{
    domain::product::Product,
    ports::{ProductReader, ProductWriter},
};
use rialto_contracts::{Cause, catalog::ProductStatus};
use rialto_kernel::{ProductId, SellerId, Timestamp};

/// Chooses a product's status. What is shown follows from it and from the stock.
///
/// # Errors
/// [`ChangeProductError`] unless the product exists, `may_change` its seller's products and the status may follow.
pub async fn set_product_status(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    status: ProductStatus,
    may_change: impl Fn(SellerId) -> bool,
    now: Timestamp,
    cause: &Cause,
) -> Result<Product, ChangeProductError> {
    rewrite(store, product, may_change, |product| product.choose(status, now, cause)).await
}
