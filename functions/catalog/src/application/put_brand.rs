use crate::{domain::item::Brand, ports::TaxonomyWriter};
use rialto_kernel::{StoreError, Write};

/// Puts a new brand; one that is there stays as it is.
///
/// # Errors
/// [`StoreError`] when it isn't known whether it was written: try again.
pub async fn put_brand(store: &impl TaxonomyWriter, brand: &Brand) -> Result<Write, StoreError> {
    store.put_brand(brand).await
}
