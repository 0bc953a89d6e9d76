//! The ports on DynamoDB. The partitions `CATEGORY#<id>`, `BRAND#<id>`, `ITEM#<id>`, `SELLER#<id>`
//! and `PRODUCT#<id>` have one item each; `LIST#<index key>` has an entry for each public product
//! under that key, sorted by product id. The list of all products is spread over [`SHARDS`]
//! partitions, because one would limit the rate at which products are published.

use crate::{
    domain::{
        index::{IndexDiff, IndexEntry, IndexKey, Sort},
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
use futures_util::future::try_join_all;
use rialto_dynamo::{
    AttributeValue, Delete, Key, PartitionQuery, Precondition, Put, Table, TransactWriteItem,
    read_item, write_item,
};
use rialto_kernel::{BrandId, CategoryId, ItemId, ProductId, SellerId, StoreError, Write, digest};
use rialto_lambda::FunctionContext;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

type Attributes = rialto_dynamo::Item;

/// The ports on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoCatalog {
    table: Table,
}

fn category_key(category: CategoryId) -> Key {
    Key::new(format!("CATEGORY#{category}"), "CATEGORY")
}

fn brand_key(brand: BrandId) -> Key {
    Key::new(format!("BRAND#{brand}"), "BRAND")
}

fn item_key(item: ItemId) -> Key {
    Key::new(format!("ITEM#{item}"), "ITEM")
}

fn seller_key(seller: SellerId) -> Key {
    Key::new(format!("SELLER#{seller}"), "SELLER")
}

fn product_key(product: ProductId) -> Key {
    Key::new(format!("PRODUCT#{product}"), "PRODUCT")
}

/// The number of partitions over which the list of all products is spread.
const SHARDS: u8 = 4;

/// The number of entries that are read of each of these partitions beyond its even share of a page.
/// Most pages are complete then.
const SHARE_MARGIN: u32 = 6;

/// The partition of an entry under an index key, in the table and in its secondary indexes.
fn partition(key: &IndexKey, product: ProductId) -> String {
    let shard = digest::sha256(&[product.to_string().as_bytes()])[0] % SHARDS;
    shard_partition(key, shard)
}

/// The partitions of an index key.
fn partitions(key: &IndexKey) -> Vec<String> {
    let shards = if *key == IndexKey::All { SHARDS } else { 1 };
    (0..shards).map(|shard| shard_partition(key, shard)).collect()
}

fn shard_partition(key: &IndexKey, shard: u8) -> String {
    match key {
        IndexKey::All => format!("LIST#ALL#{shard}"),
        IndexKey::Seller(seller) => format!("LIST#SELLER#{seller}"),
        IndexKey::Brand(brand) => format!("LIST#BRAND#{brand}"),
        IndexKey::Category(category) => format!("LIST#CATEGORY#{category}"),
        IndexKey::Word(word) => format!("LIST#WORD#{word}"),
    }
}

fn entry_key(key: &IndexKey, product: ProductId) -> Key {
    Key::new(partition(key, product), product.to_string())
}

impl DynamoCatalog {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub const fn on(table: Table) -> Self {
        Self { table }
    }

    async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        self.table.get(key).await?.map(read_item).transpose()
    }

    async fn put_new<T: Serialize>(&self, key: &Key, record: &T) -> Result<Write, StoreError> {
        self.table.put(write_item(key, record, &[])?, Precondition::Absent).await.map(Write::unit)
    }

    /// The writes of a product, of which its own is the first, and of its index entries.
    fn index_writes(
        &self,
        item: Attributes,
        expect: Precondition,
        product: &Product,
        diff: &IndexDiff,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut writes = vec![self.table.transact_put(item, expect)?];
        if let Some(entry) = product.index_entry() {
            for key in &diff.write {
                let item = entry_item(key, &entry)?;
                let put = Put::builder().table_name(&self.table.name).set_item(Some(item));
                writes.push(
                    TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build(),
                );
            }
        }
        for key in &diff.remove {
            let key = entry_key(key, product.product_id).item();
            let delete = Delete::builder().table_name(&self.table.name).set_key(Some(key));
            writes.push(
                TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build(),
            );
        }
        Ok(writes)
    }
}

/// An index entry as an item, with its keys in the secondary indexes.
fn entry_item(key: &IndexKey, entry: &IndexEntry) -> Result<Attributes, StoreError> {
    let mut item = write_item(&entry_key(key, entry.product_id), entry, &[])?;
    for (name, value) in [
        ("by_price_pk", partition(key, entry.product_id)),
        ("by_price_sk", Sort::Price.sort_key(entry)),
        ("by_rating_pk", partition(key, entry.product_id)),
        ("by_rating_sk", Sort::Rating.sort_key(entry)),
    ] {
        item.insert(name.to_owned(), AttributeValue::S(value));
    }
    Ok(item)
}

fn incomplete(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

impl ProductReader for DynamoCatalog {
    async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        self.read(&product_key(product)).await
    }
}

impl PublicProductReader for DynamoCatalog {
    async fn recent_product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        self.table.get_eventual(&product_key(product)).await?.map(read_item).transpose()
    }
}

impl ProductWriter for DynamoCatalog {
    async fn save(&self, update: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
        let (before, product) = (update.before.as_ref(), &update.product);
        let mut item = write_item(&product_key(product.product_id), product, &update.events)?;
        item.insert(
            "by_seller_pk".to_owned(),
            AttributeValue::S(format!("SELLER#{}", product.seller_id)),
        );
        item.insert("by_seller_sk".to_owned(), AttributeValue::S(product.product_id.to_string()));
        let expect =
            before.map_or(Precondition::Absent, |before| Precondition::Version(before.version));
        let entry_before = before.and_then(Product::index_entry);
        let diff = IndexDiff::between(entry_before.as_ref(), product.index_entry().as_ref());
        if diff.is_empty() && !update.requires_open_seller() {
            return Ok(match self.table.put(item, expect).await? {
                Write::Done => ProductWriteOutcome::Done,
                Write::Conflict(_) => ProductWriteOutcome::Conflict,
            });
        }
        let mut writes = self.index_writes(item, expect, product, &diff)?;
        if update.requires_open_seller() {
            writes.push(
                self.table
                    .transact_check(&seller_key(product.seller_id), Precondition::Older(CLOSED))?,
            );
        }
        match self.table.transact(writes).await? {
            Write::Done => Ok(ProductWriteOutcome::Done),
            // The product's own condition comes first; if it held, the seller's has failed.
            Write::Conflict(conditions) => match conditions.first() {
                Some(None) => Ok(ProductWriteOutcome::SellerClosed),
                _ => Ok(ProductWriteOutcome::Conflict),
            },
        }
    }
}

impl RegistrationContextReader for DynamoCatalog {
    async fn registration_context(
        &self,
        item: ItemId,
        seller: SellerId,
    ) -> Result<(Option<Item>, Option<SellerStatus>), StoreError> {
        let (item, seller) = (item_key(item), seller_key(seller));
        let mut items = self.table.batch_get(&[item.clone(), seller.clone()]).await?;
        let seller = items.remove(&seller).map(read_item::<SellerRecord>).transpose()?;
        Ok((items.remove(&item).map(read_item).transpose()?, seller.map(|seller| seller.status)))
    }
}

impl IndexReader for DynamoCatalog {
    async fn entries(
        &self,
        key: &IndexKey,
        sort: Sort,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Batch, StoreError> {
        let partitions = partitions(key);
        let share = match partitions.len() {
            1 => limit,
            _ => limit / u32::from(SHARDS) + SHARE_MARGIN,
        };
        let read = |partition| self.read_partition(partition, sort, after, share);
        let mut sources = try_join_all(partitions.into_iter().map(read)).await?;
        let mut entries = Vec::new();
        // The next entry is known as long as every partition has one left, or is read completely.
        while entries.len() < limit as usize && !sources.iter().any(Source::is_unknown) {
            let Some(entry) = take_first(&mut sources, sort) else { break };
            entries.push(entry);
        }
        let has_more = sources.iter().any(|source| source.has_more || !source.entries.is_empty());
        Ok(Batch { entries, has_more })
    }

    async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
        let keys: Vec<Key> = ids.iter().copied().map(product_key).collect();
        let mut items = self.table.batch_get_eventual(&keys).await?;
        keys.iter().filter_map(|key| items.remove(key)).map(read_item).collect()
    }
}

/// What a page has read of one partition of a list.
struct Source {
    /// The entries that aren't on the page yet, in reverse order.
    entries: Vec<IndexEntry>,
    /// Whether the partition may have more.
    has_more: bool,
}

impl Source {
    const fn is_unknown(&self) -> bool {
        self.entries.is_empty() && self.has_more
    }
}

/// Takes the first entry of all sources.
fn take_first(sources: &mut [Source], sort: Sort) -> Option<IndexEntry> {
    let heads = sources
        .iter()
        .enumerate()
        .filter_map(|(at, source)| source.entries.last().map(|entry| (sort.sort_key(entry), at)));
    let (_, first) = if sort.is_descending() { heads.max() } else { heads.min() }?;
    sources.get_mut(first)?.entries.pop()
}

impl DynamoCatalog {
    /// The first `limit` entries of a partition, eventually consistent.
    async fn read_partition(
        &self,
        partition: String,
        sort: Sort,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Source, StoreError> {
        let query = match sort {
            Sort::Newest => PartitionQuery::table(partition),
            Sort::Price => PartitionQuery::index("by_price", partition),
            Sort::Rating => PartitionQuery::index("by_rating", partition),
        };
        let query = if sort.is_descending() { query.descending() } else { query };
        let (items, next) = self.table.query(&query.after(after), limit).await?;
        let entries = items.into_iter().rev().map(read_item).collect::<Result<_, _>>()?;
        Ok(Source { entries, has_more: next.is_some() })
    }
}

impl SellerEntryReader for DynamoCatalog {
    async fn seller_entries(
        &self,
        seller: SellerId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Batch, StoreError> {
        let query = PartitionQuery::table(shard_partition(&IndexKey::Seller(seller), 0));
        let query = query.consistent().descending().after(after);
        let (items, next) = self.table.query(&query, limit).await?;
        let entries = items.into_iter().map(read_item).collect::<Result<_, _>>()?;
        Ok(Batch { entries, has_more: next.is_some() })
    }
}

impl SellerProductReader for DynamoCatalog {
    async fn seller_products(
        &self,
        seller: SellerId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<ProductPage, StoreError> {
        let query = PartitionQuery::index("by_seller", format!("SELLER#{seller}"));
        let query = query.descending().after(position);
        let (items, next) = self.table.query(&query, limit).await?;
        let keys = items.iter().map(rialto_dynamo::item_key).collect::<Result<Vec<_>, _>>()?;
        let mut items = self.table.batch_get(&keys).await?;
        let products = keys.iter().filter_map(|key| items.remove(key)).map(read_item);
        Ok((products.collect::<Result<_, _>>()?, next))
    }
}

/// The versions of a [`SellerRecord`].
const REGISTERED: u64 = 1;
const CLOSED: u64 = 2;

/// A seller as it is stored.
#[derive(Serialize, Deserialize)]
struct SellerRecord {
    seller_id: SellerId,
    /// Absent from items written before sellers could be closed.
    #[serde(default)]
    status: SellerStatus,
    version: u64,
}

impl SellerWriter for DynamoCatalog {
    async fn upsert_seller(&self, seller_id: SellerId) -> Result<Write, StoreError> {
        let record =
            SellerRecord { seller_id, status: SellerStatus::Registered, version: REGISTERED };
        self.put_new(&seller_key(seller_id), &record).await
    }

    async fn close_seller(&self, seller_id: SellerId) -> Result<Write, StoreError> {
        let record = SellerRecord { seller_id, status: SellerStatus::Closed, version: CLOSED };
        let item = write_item(&seller_key(seller_id), &record, &[])?;
        self.table.put(item, Precondition::Older(CLOSED)).await.map(Write::unit)
    }
}

impl TaxonomyWriter for DynamoCatalog {
    async fn put_category(&self, category: &Category) -> Result<Write, StoreError> {
        self.put_new(&category_key(category.category_id), category).await
    }

    async fn put_brand(&self, brand: &Brand) -> Result<Write, StoreError> {
        self.put_new(&brand_key(brand.brand_id), brand).await
    }

    async fn classes_exist(
        &self,
        category: CategoryId,
        brand: BrandId,
    ) -> Result<(bool, bool), StoreError> {
        let (category, brand) = (category_key(category), brand_key(brand));
        let items = self.table.batch_get(&[category.clone(), brand.clone()]).await?;
        Ok((items.contains_key(&category), items.contains_key(&brand)))
    }

    async fn put_item(&self, item: &Item) -> Result<Write, StoreError> {
        self.put_new(&item_key(item.item_id), item).await
    }
}
