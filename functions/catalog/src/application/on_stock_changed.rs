use super::change_product::MAX_ATTEMPTS;
use crate::ports::{ProductReader, ProductWriteOutcome, ProductWriter};
use rialto_kernel::{ProductId, StoreError, Write};

/// Why the event is left to the queue's retry.
#[derive(Debug, thiserror::Error)]
pub enum OnStockChangedError {
    #[error("{0} isn't known")]
    UnknownProduct(ProductId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps whether there is stock, as the event with the highest `sequence` tells it.
///
/// # Errors
/// [`OnStockChangedError`]: the event has to come again.
pub async fn on_stock_changed(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    in_stock: bool,
    sequence: u64,
) -> Result<Write, OnStockChangedError> {
    for _ in 0..MAX_ATTEMPTS {
        let known =
            store.product(product).await?.ok_or(OnStockChangedError::UnknownProduct(product))?;
        let Some(change) = known.apply_stock_event(in_stock, sequence) else {
            return Ok(Write::Conflict(()));
        };
        if store.store(&change).await? == ProductWriteOutcome::Done {
            return Ok(Write::Done);
        }
    }
    Err(StoreError::Unavailable("the product changes too fast".to_owned()).into())
}
