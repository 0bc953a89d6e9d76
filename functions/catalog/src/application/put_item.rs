use crate::{domain::item::Item, ports::TaxonomyWriter};
use rialto_kernel::{StoreError, Write};

/// Why an item isn't put. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum PutItemError {
    #[error("no such category")]
    UnknownCategory,
    #[error("no such brand")]
    UnknownBrand,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a new item of a category and a brand; one that is there stays as it is.
///
/// # Errors
/// [`PutItemError`] without such a category or brand.
pub async fn put_item(store: &impl TaxonomyWriter, item: &Item) -> Result<Write, PutItemError> {
    let (category, brand) = store.classes_exist(item.category_id, item.brand_id).await?;
    if !category {
        return Err(PutItemError::UnknownCategory);
    }
    if !brand {
        return Err(PutItemError::UnknownBrand);
    }
    Ok(store.put_item(item).await?)
}
