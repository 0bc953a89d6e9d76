use crate::{domain::stock::Stock, ports::StockInitializer};
use rialto_contracts::catalog::ProductRegistered;
use rialto_kernel::{StoreError, Timestamp, Write};

/// Opens the product's stock; a second time nothing changes.
///
/// # Errors
/// [`StoreError`]: the event has to come again.
pub async fn on_product_registered(
    store: &impl StockInitializer,
    event: &ProductRegistered,
    now: Timestamp,
) -> Result<Write, StoreError> {
    let (stock, movement) =
        Stock::initial(event.product_id, event.seller_id, event.initial_stock, now);
    store.open(&stock, &movement).await
}
