use crate::ports::SellerWriter;
use rialto_contracts::accounts::SellerRegistered;
use rialto_kernel::{StoreError, Write};

/// Keeps the seller, so that a supervisor can register products for it; a second time nothing changes.
///
/// # Errors
/// [`StoreError`]: the event has to come again.
pub async fn on_seller_registered(
    store: &impl SellerWriter,
    event: &SellerRegistered,
) -> Result<Write, StoreError> {
    store.upsert_seller(event.seller_id).await
}
