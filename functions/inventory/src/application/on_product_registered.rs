use crate::{domain::stock::Stock, ports::StockInitializer};
use rialto_contracts::catalog::ProductRegistered;
use rialto_kernel::{StoreError, Timestamp, Write};

/// Creates the product's stock. Idempotent.
///
/// # Errors
/// [`StoreError`]: the event must be redelivered.
pub async fn on_product_registered(
    store: &impl StockInitializer,
    event: &ProductRegistered,
    now: Timestamp,
) -> Result<Write, StoreError> {
    let (stock, movement) =
        Stock::initial(event.product_id, event.seller_id, event.initial_stock, now);
    store.initialize(&stock, &movement).await
}
