//! Ports: one small trait per use case, implemented by `adapters`.
//!
//! Every method fails with [`StoreError::Unavailable`] when the store can't be reached, or when it
//! isn't known whether a write happened, and with [`StoreError::Corrupt`] for an item that can't be
//! read. A write that fails with anything else than `Unavailable` has changed nothing.

use crate::domain::{
    index::{IndexKey, Sort},
    item::{Brand, Category, Item},
    product::{Product, ProductUpdate},
    search::Batch,
};
use rialto_kernel::{BrandId, CategoryId, ItemId, ProductId, SellerId, StoreError, Write};

pub trait ProductReader {
    fn product(
        &self,
        product: ProductId,
    ) -> impl Future<Output = Result<Option<Product>, StoreError>> + Send;
}

pub trait PublicProductReader {
    /// A product, public or not. Eventually consistent.
    fn recent_product(
        &self,
        product: ProductId,
    ) -> impl Future<Output = Result<Option<Product>, StoreError>> + Send;
}

/// The outcome of writing a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ProductWriteOutcome {
    Done,
    /// Nothing was written: the stored product has another version than the update starts from.
    Conflict,
    /// Nothing was written: the update [requires an open
    /// seller](ProductUpdate::requires_open_seller), and the seller is closed.
    SellerClosed,
}

pub trait ProductWriter {
    /// Writes a product with its events and its index entries, all or nothing.
    fn save(
        &self,
        update: &ProductUpdate,
    ) -> impl Future<Output = Result<ProductWriteOutcome, StoreError>> + Send;
}

pub trait RegistrationContextReader {
    /// The item that a product is made from and the status of its seller; `None` for those that
    /// aren't known.
    fn registration_context(
        &self,
        item: ItemId,
        seller: SellerId,
    ) -> impl Future<Output = Result<(Option<Item>, Option<SellerStatus>), StoreError>> + Send;
}

/// The status of a seller by the last event of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SellerStatus {
    #[default]
    Registered,
    Closed,
}

pub trait IndexReader {
    /// Up to `limit` entries under an index key, in order, after a sort key that need not exist any
    /// more. There may be fewer even if there are more, but not none. Eventually consistent with
    /// the products.
    fn entries(
        &self,
        key: &IndexKey,
        sort: Sort,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Batch, StoreError>> + Send;

    /// Those of these products that exist, in the order of `ids`. Eventually consistent.
    fn products(
        &self,
        ids: &[ProductId],
    ) -> impl Future<Output = Result<Vec<Product>, StoreError>> + Send;
}

pub trait SellerEntryReader {
    /// Up to `limit` entries of a seller's public products, newest first, after a sort key that
    /// need not exist any more. Consistent: every product that was public when the read began and
    /// hasn't been withdrawn since is in it.
    fn seller_entries(
        &self,
        seller: SellerId,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Batch, StoreError>> + Send;
}

/// Products in order, and the position after which the next page starts; `None` after the last
/// page.
pub type ProductPage = (Vec<Product>, Option<String>);

pub trait SellerProductReader {
    /// A seller's products of every status, newest first. Eventually consistent.
    fn seller_products(
        &self,
        seller: SellerId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<ProductPage, StoreError>> + Send;
}

pub trait SellerWriter {
    /// Stores a seller as registered; [`Write::Conflict`] if the seller is known already, open or
    /// closed.
    fn upsert_seller(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Stores a seller as closed, known or not; [`Write::Conflict`] if it is closed already.
    fn close_seller(
        &self,
        seller: SellerId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// Categories, brands and items. Writes only create: [`Write::Conflict`] if the id exists.
pub trait TaxonomyWriter {
    fn put_category(
        &self,
        category: &Category,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    fn put_brand(&self, brand: &Brand) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Whether the category exists, and whether the brand does.
    fn classes_exist(
        &self,
        category: CategoryId,
        brand: BrandId,
    ) -> impl Future<Output = Result<(bool, bool), StoreError>> + Send;

    fn put_item(&self, item: &Item) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
