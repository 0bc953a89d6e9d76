use crate::ports::SellerWriter;
use rialto_contracts::accounts::SellerRegistered;
use rialto_kernel::{StoreError, Write};

/// Stores the seller, so that a supervisor can register products for it. Idempotent.
///
/// # Errors
/// [`StoreError`]: the event must be redelivered.
pub async fn on_seller_registered(
    store: &impl SellerWriter,
    event: &SellerRegistered,
) -> Result<Write, StoreError> {
    store.upsert_seller(event.seller_id).await
}
