use super::change_product::{ChangeProductError, update_product};
use crate::{
    domain::product::Product,
    ports::{ProductReader, ProductWriter},
};
use rialto_contracts::{EventContext, catalog::ProductStatus};
use rialto_kernel::{IfMatch, ProductId, SellerId, Timestamp};

/// Sets a product's status. The effective status follows from it and from the stock.
///
/// # Errors
/// [`ChangeProductError`] unless the product exists, its seller passes `is_owner`, it meets
/// `if_match` and the status may follow the current one.
pub async fn set_product_status(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    status: ProductStatus,
    if_match: &IfMatch,
    is_owner: impl Fn(SellerId) -> bool,
    now: Timestamp,
    context: &EventContext,
) -> Result<Product, ChangeProductError> {
    let decide = |product: &Product| product.set_status(status, now, context);
    update_product(store, product, if_match, is_owner, decide).await
}
