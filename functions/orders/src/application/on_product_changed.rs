use crate::{domain::product::Product, ports::ProductReplica};
use rialto_contracts::catalog::{ProductChanged, ProductRegistered};
use rialto_kernel::{StoreError, Write};

/// Stores a copy of the changed product, unless the stored copy is newer. `sequence` is the
/// event's, which is the product's version in catalog.
///
/// # Errors
/// [`StoreError`]: the event must be redelivered.
pub async fn on_product_changed(
    store: &impl ProductReplica,
    event: &ProductChanged,
    sequence: u64,
) -> Result<Write, StoreError> {
    let product = Product {
        product_id: event.product_id,
        seller_id: event.seller_id,
        title: event.title.clone(),
        price: event.price,
        status: event.status,
        version: sequence,
    };
    store.upsert_if_newer(&product).await
}

/// Stores a copy of the registered product.
///
/// # Errors
/// [`StoreError`]: the event must be redelivered.
pub async fn on_product_registered(
    store: &impl ProductReplica,
    event: &ProductRegistered,
    sequence: u64,
) -> Result<Write, StoreError> {
    let changed = ProductChanged {
        product_id: event.product_id,
        seller_id: event.seller_id,
        title: event.title.clone(),
        price: event.price,
        status: event.status,
    };
    on_product_changed(store, &changed, sequence).await
}
