//! What lies outside: the service's table, in the pieces that each use case needs.

use crate::domain::{
    item::{Brand, Category, Item},
    listing::{IndexKey, Sort},
    product::{Product, ProductUpdate},
    search::Batch,
};
use rialto_kernel::{BrandId, CategoryId, ItemId, ProductId, SellerId, StoreError, Write};

pub trait ProductReader {
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn product(
        &self,
        product: ProductId,
    ) -> impl Future<Output = Result<Option<Product>, StoreError>> + Send;
}

/// What became of the write of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ProductWriteOutcome {
    Done,
    /// Nothing was written: the product isn't as it was before the change.
    Conflict,
    /// Nothing was written: the change [needs a seller](Change::needs_seller), who is closed.
    SellerClosed,
}

pub trait ProductWriter {
    /// Writes a product, what it announces and its place in every list, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn store(
        &self,
        change: &ProductUpdate,
    ) -> impl Future<Output = Result<ProductWriteOutcome, StoreError>> + Send;
}

pub trait RegistrationContextReader {
    /// What a product is made from, and what was heard of the seller.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn registration_context(
        &self,
        item: ItemId,
        seller: SellerId,
    ) -> impl Future<Output = Result<(Option<Item>, Option<SellerStatus>), StoreError>> + Send;
}

/// What accounts told of a seller last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SellerStatus {
    #[default]
    Registered,
    Closed,
}

pub trait ListReader {
    /// Up to `limit` entries of a list in order, behind a place that needn't be anything's any more. They may lag behind
    /// the products, but for the order of newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn entries(
        &self,
        list: &IndexKey,
        sort: Sort,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Batch, StoreError>> + Send;

    /// These products as they are now, those that exist, in the order asked for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn products(
        &self,
        ids: &[ProductId],
    ) -> impl Future<Output = Result<Vec<Product>, StoreError>> + Send;
}

/// Products in order, and where to go on.
pub type ProductPage = (Vec<Product>, Option<String>);

pub trait SellerProductReader {
    /// A seller's products of every status, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn seller_products(
        &self,
        seller: SellerId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<ProductPage, StoreError>> + Send;
}

pub trait SellerWriter {
    /// Keeps a seller; [`Write::Conflict`] if it is known already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn upsert_seller(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Closes a seller, known or not; [`Write::Conflict`] if it is closed already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn close_seller(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// Categories, brands and items. Each write is of a new thing: [`Write::Conflict`] if its id is taken.
pub trait TaxonomyWriter {
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn put_category(
        &self,
        category: &Category,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn put_brand(&self, brand: &Brand) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Whether there are such a category and such a brand.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn classes_exist(
        &self,
        category: CategoryId,
        brand: BrandId,
    ) -> impl Future<Output = Result<(bool, bool), StoreError>> + Send;

    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn put_item(&self, item: &Item) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
