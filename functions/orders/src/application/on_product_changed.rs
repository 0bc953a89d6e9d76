use crate::{domain::product::Product, ports::ProductReplica};
use rialto_contracts::catalog::{ProductChanged, ProductRegistered};
use rialto_kernel::{StoreError, Write};

/// Keeps a copy of the product as the event tells it, unless a newer one is known.
///
/// # Errors
/// [`StoreError`]: the event has to come again.
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

/// A registration tells a product as a change does.
///
/// # Errors
/// [`StoreError`]: the event has to come again.
pub async fn on_product_registered(
    store: &impl ProductReplica,
    event: &ProductRegistered,
    sequence: u64,
) -> Result<Write, StoreError> {
    let as_changed = ProductChanged {
        product_id: event.product_id,
        seller_id: event.seller_id,
        title: event.title.clone(),
        price: event.price,
        status: event.status,
    };
    on_product_changed(store, &as_changed, sequence).await
}
