use crate::{domain::item::Category, ports::TaxonomyWriter};
use rialto_kernel::{StoreError, Write};

/// Puts a new category; one that is there stays as it is.
///
/// # Errors
/// [`StoreError`] when it isn't known whether it was written: try again.
pub async fn put_category(
    store: &impl TaxonomyWriter,
    category: &Category,
) -> Result<Write, StoreError> {
    store.put_category(category).await
}
