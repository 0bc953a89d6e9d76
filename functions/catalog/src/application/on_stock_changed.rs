use crate::ports::{ProductReader, ProductWriteOutcome, ProductWriter};
use rialto_kernel::{
    ProductId, StoreError, Write,
    store::{self, Attempt},
};

/// Errors after which the queue must redeliver the event.
#[derive(Debug, thiserror::Error)]
pub enum OnStockChangedError {
    #[error("product {0} not found")]
    UnknownProduct(ProductId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Records whether a product is in stock, unless an event with a higher `sequence` has been applied
/// already.
///
/// # Errors
/// [`OnStockChangedError`]: the event must be redelivered.
pub async fn on_stock_changed(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    in_stock: bool,
    sequence: u64,
) -> Result<Write, OnStockChangedError> {
    store::update(|| async {
        let current =
            store.product(product).await?.ok_or(OnStockChangedError::UnknownProduct(product))?;
        let Some(update) = current.apply_stock_event(in_stock, sequence) else {
            return Ok(Attempt::Done(Write::Conflict(())));
        };
        Ok(match store.save(&update).await? {
            ProductWriteOutcome::Done => Attempt::Done(Write::Done),
            ProductWriteOutcome::Conflict | ProductWriteOutcome::SellerClosed => Attempt::Conflict,
        })
    })
    .await
}
