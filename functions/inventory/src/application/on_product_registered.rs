use crate::{domain::stock::Stock, ports::StockRegistrar};
use rialto_contracts::catalog::ProductRegistered;
use rialto_kernel::{StoreError, Timestamp, Write};

/// Opens the product's stock; a second time nothing changes.
///
/// # Errors
/// [`StoreError`]: the event has to come again.
pub async fn on_product_registered(
    store: &impl StockRegistrar,
    event: &ProductRegistered,
    now: Timestamp,
) -> Result<Write, StoreError> {
    let (stock, movement) =
        Stock::open(event.product_id, event.seller_id, event.initial_stock, now);
    store.open(&stock, &movement).await
}
