use crate::{domain::item::Brand, ports::TaxonomyWriter};
use rialto_kernel::{StoreError, Write};

/// Creates a brand, unless one with its id exists.
///
/// # Errors
/// [`StoreError`] if the outcome of the write isn't known. Retryable.
pub async fn put_brand(store: &impl TaxonomyWriter, brand: &Brand) -> Result<Write, StoreError> {
    store.put_brand(brand).await
}
