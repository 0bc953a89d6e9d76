use crate::{domain::item::Item, ports::TaxonomyWriter};
use rialto_kernel::{StoreError, Write};

#[derive(Debug, thiserror::Error)]
pub enum PutItemError {
    #[error("category not found")]
    UnknownCategory,
    #[error("brand not found")]
    UnknownBrand,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates an item of an existing category and brand, unless one with its id exists.
///
/// # Errors
/// [`PutItemError`] if the category or the brand doesn't exist. Nothing is written then.
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
