//! The ports in memory, for unit tests and simulations.

use crate::{
    domain::{
        index::{IndexEntry, IndexKey, Sort},
        item::{Brand, Category, Item},
        product::{Product, ProductUpdate},
        search::Batch,
    },
    ports::{
        IndexReader, ProductPage, ProductReader, ProductWriteOutcome, ProductWriter,
        PublicProductReader, RegistrationContextReader, SellerEntryReader, SellerProductReader,
        SellerStatus, SellerWriter, TaxonomyWriter,
    },
};
use rialto_contracts::Event;
use rialto_kernel::{BrandId, CategoryId, ItemId, ProductId, SellerId, StoreError, Write};
use std::{
    collections::{BTreeMap, btree_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ports in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryCatalog {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    categories: BTreeMap<CategoryId, Category>,
    brands: BTreeMap<BrandId, Brand>,
    items: BTreeMap<ItemId, Item>,
    sellers: BTreeMap<SellerId, SellerStatus>,
    products: BTreeMap<ProductId, Product>,
    published_events: Vec<Event>,
}

impl MemoryCatalog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events of all writes, in order.
    #[must_use]
    pub fn published_events(&self) -> Vec<Event> {
        self.state().published_events.clone()
    }
}

impl ProductReader for MemoryCatalog {
    async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        Ok(self.state().products.get(&product).cloned())
    }
}

impl PublicProductReader for MemoryCatalog {
    async fn recent_product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        self.product(product).await
    }
}

impl ProductWriter for MemoryCatalog {
    async fn save(&self, update: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
        let mut state = self.state();
        let product = &update.product;
        let stored_version = state.products.get(&product.product_id).map(|product| product.version);
        if stored_version != update.before.as_ref().map(|before| before.version) {
            return Ok(ProductWriteOutcome::Conflict);
        }
        if update.requires_open_seller()
            && state.sellers.get(&product.seller_id) == Some(&SellerStatus::Closed)
        {
            return Ok(ProductWriteOutcome::SellerClosed);
        }
        state.products.insert(product.product_id, product.clone());
        state.published_events.extend(update.events.iter().cloned());
        Ok(ProductWriteOutcome::Done)
    }
}

impl RegistrationContextReader for MemoryCatalog {
    async fn registration_context(
        &self,
        item: ItemId,
        seller: SellerId,
    ) -> Result<(Option<Item>, Option<SellerStatus>), StoreError> {
        let state = self.state();
        Ok((state.items.get(&item).cloned(), state.sellers.get(&seller).copied()))
    }
}

impl IndexReader for MemoryCatalog {
    async fn entries(
        &self,
        key: &IndexKey,
        sort: Sort,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Batch, StoreError> {
        let state = self.state();
        let entries = state.products.values().filter_map(Product::index_entry);
        let mut entries: Vec<(String, IndexEntry)> = entries
            .filter(|entry| entry.index_keys().contains(key))
            .map(|entry| (sort.sort_key(&entry), entry))
            .filter(|(sort_key, _)| {
                after.is_none_or(|after| {
                    if sort.is_descending() { &**sort_key < after } else { &**sort_key > after }
                })
            })
            .collect();
        entries.sort_by(|(a, _), (b, _)| if sort.is_descending() { b.cmp(a) } else { a.cmp(b) });
        let has_more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        Ok(Batch { entries: entries.into_iter().map(|(_, entry)| entry).collect(), has_more })
    }

    async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
        let state = self.state();
        Ok(ids.iter().filter_map(|id| state.products.get(id).cloned()).collect())
    }
}

impl SellerEntryReader for MemoryCatalog {
    async fn seller_entries(
        &self,
        seller: SellerId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Batch, StoreError> {
        self.entries(&IndexKey::Seller(seller), Sort::Newest, after, limit).await
    }
}

impl SellerProductReader for MemoryCatalog {
    async fn seller_products(
        &self,
        seller: SellerId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<ProductPage, StoreError> {
        let state = self.state();
        let before = |product: &&Product| {
            position.is_none_or(|last| &*product.product_id.to_string() < last)
        };
        let own = state.products.values().rev().filter(|product| product.seller_id == seller);
        let mut products: Vec<Product> = own.filter(before).cloned().collect();
        let has_more = products.len() > limit as usize;
        products.truncate(limit as usize);
        let next =
            products.last().filter(|_| has_more).map(|product| product.product_id.to_string());
        Ok((products, next))
    }
}

impl SellerWriter for MemoryCatalog {
    async fn upsert_seller(&self, seller: SellerId) -> Result<Write, StoreError> {
        let mut state = self.state();
        if state.sellers.contains_key(&seller) {
            return Ok(Write::Conflict(()));
        }
        state.sellers.insert(seller, SellerStatus::Registered);
        Ok(Write::Done)
    }

    async fn close_seller(&self, seller: SellerId) -> Result<Write, StoreError> {
        let before = self.state().sellers.insert(seller, SellerStatus::Closed);
        Ok(if before == Some(SellerStatus::Closed) { Write::Conflict(()) } else { Write::Done })
    }
}

impl TaxonomyWriter for MemoryCatalog {
    async fn put_category(&self, category: &Category) -> Result<Write, StoreError> {
        Ok(put_new(self.state().categories.entry(category.category_id), category))
    }

    async fn put_brand(&self, brand: &Brand) -> Result<Write, StoreError> {
        Ok(put_new(self.state().brands.entry(brand.brand_id), brand))
    }

    async fn classes_exist(
        &self,
        category: CategoryId,
        brand: BrandId,
    ) -> Result<(bool, bool), StoreError> {
        let state = self.state();
        Ok((state.categories.contains_key(&category), state.brands.contains_key(&brand)))
    }

    async fn put_item(&self, item: &Item) -> Result<Write, StoreError> {
        Ok(put_new(self.state().items.entry(item.item_id), item))
    }
}

fn put_new<K: Ord, T: Clone>(entry: btree_map::Entry<'_, K, T>, value: &T) -> Write {
    match entry {
        btree_map::Entry::Vacant(vacant) => {
            vacant.insert(value.clone());
            Write::Done
        }
        btree_map::Entry::Occupied(_) => Write::Conflict(()),
    }
}
