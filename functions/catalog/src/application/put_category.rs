use crate::{domain::item::Category, ports::TaxonomyWriter};
use rialto_kernel::{StoreError, Write};

/// Creates a category, unless one with its id exists.
///
/// # Errors
/// [`StoreError`] if the outcome of the write isn't known. Retryable.
pub async fn put_category(
    store: &impl TaxonomyWriter,
    category: &Category,
) -> Result<Write, StoreError> {
    store.put_category(category).await
}
