use super::change_product::{ChangeProductError, update_product};
use crate::{
    domain::product::Product,
    ports::{ProductReader, ProductWriter},
};
use rialto_contracts::{EventContext, catalog::ProductStatus};
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
    cause: &EventContext,
) -> Result<Product, ChangeProductError> {
    update_product(store, product, may_change, |product| product.set_status(status, now, cause))
        .await
}
