use crate::{
    domain::search::{Batch, Search, SearchPosition, SearchPositionError},
    ports::{IndexReader, ProductPage},
};
use futures_util::future::try_join_all;
use rialto_kernel::StoreError;

/// The maximum number of index entries that are examined for a page, including those of the probes.
/// A list that is spread over partitions reads up to 24 more for each batch, and so still less than
/// 1,000.
pub const READ_BUDGET: u32 = 900;

/// The number of entries of each index key that are read to choose one. There are at most 15 keys:
/// 12 words, a seller, a brand and a category.
const PROBE_SIZE: u32 = 40;

/// The number of entries in a batch if some may not match.
const FILTERED_BATCH_SIZE: u32 = 250;

#[derive(Debug, thiserror::Error)]
pub enum ListProductsError {
    #[error(transparent)]
    Position(#[from] SearchPositionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lists up to `limit` matching public products in order, with the position of the next page. Reads
/// the most selective index key and filters by the others. A page ends when [`READ_BUDGET`] is used
/// up, however few products it has.
///
/// # Errors
/// [`ListProductsError`] for a position of another search, or if the products can't be read.
pub async fn list_products(
    store: &impl IndexReader,
    search: &Search,
    limit: u32,
    position: Option<&str>,
) -> Result<ProductPage, ListProductsError> {
    if search.matches_nothing() {
        return Ok((Vec::new(), None));
    }
    let mut scan = IndexScan::start(store, search, position).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    loop {
        let missing = limit - found.len();
        let batch = scan.next_batch(missing).await?;
        let slice = search.fill_page(&batch, missing);
        let products = store.products(&slice.products).await?;
        // Products may have changed since their index entries were read.
        found.extend(products.into_iter().filter(|product| search.matches_product(product)));
        if slice.is_last {
            return Ok((found, None));
        }
        scan.last_key = slice.last_key;
        if found.len() >= limit || scan.budget == 0 {
            return Ok((found, scan.position()));
        }
    }
}

/// The scan of one index key for one page.
struct IndexScan<'a, S> {
    store: &'a S,
    search: &'a Search,
    /// Which of [`Search::index_keys`] is read.
    index_key: usize,
    last_key: Option<String>,
    /// The batch that the probe of this key has read already.
    probed: Option<Batch>,
    /// The number of entries that may still be read.
    budget: u32,
}

impl<'a, S: IndexReader> IndexScan<'a, S> {
    /// Continues at a position, or probes every index key and chooses the most selective one.
    async fn start(
        store: &'a S,
        search: &'a Search,
        position: Option<&str>,
    ) -> Result<Self, ListProductsError> {
        let keys = search.index_keys();
        let start = search.start_key();
        let mut scan =
            Self { store, search, index_key: 0, last_key: None, probed: None, budget: READ_BUDGET };
        if let Some(position) = position {
            let SearchPosition { index_key, last_key } =
                SearchPosition::parse(position, keys.len())?;
            return Ok(Self { index_key, last_key: Some(last_key), ..scan });
        }
        if keys.len() > 1 {
            let probe = |key| store.entries(key, search.sort, start.as_deref(), PROBE_SIZE);
            let mut batches = try_join_all(keys.iter().map(probe)).await?;
            let read = batches.iter().map(|batch| batch.entries.len()).sum::<usize>();
            scan.budget = scan.budget.saturating_sub(u32::try_from(read).unwrap_or(u32::MAX));
            scan.index_key = search.most_selective(&batches);
            scan.probed = Some(batches.swap_remove(scan.index_key));
        }
        scan.last_key = start;
        Ok(scan)
    }

    async fn next_batch(&mut self, missing: usize) -> Result<Batch, StoreError> {
        if let Some(batch) = self.probed.take() {
            return Ok(batch);
        }
        // One more than is missing, to know whether there is a next page.
        let unfiltered = u32::try_from(missing + 1).unwrap_or(u32::MAX);
        let size = if self.search.needs_filtering() { FILTERED_BATCH_SIZE } else { unfiltered };
        let size = size.min(self.budget);
        let key = &self.search.index_keys()[self.index_key];
        let batch =
            self.store.entries(key, self.search.sort, self.last_key.as_deref(), size).await?;
        self.budget -= size;
        Ok(batch)
    }

    fn position(&self) -> Option<String> {
        let last_key = self.last_key.clone()?;
        Some(SearchPosition { index_key: self.index_key, last_key }.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryCatalog,
        domain::{
            index::{IndexKey, Sort},
            product::Product,
            tokens::Tokens,
        },
        ports::{ProductWriteOutcome, ProductWriter},
        testing::{register_for_sale, registered},
    };
    use rialto_contracts::{EventContext, catalog::ProductStatus};
    use rialto_kernel::{Amount, ProductId, SellerId, Timestamp};
    use std::sync::Mutex;

    /// The in-memory store, which records the index key and the number of entries of every read.
    #[derive(Default)]
    struct RecordingCatalog {
        store: MemoryCatalog,
        read: Mutex<Vec<(IndexKey, usize)>>,
    }

    impl IndexReader for RecordingCatalog {
        async fn entries(
            &self,
            key: &IndexKey,
            sort: Sort,
            after: Option<&str>,
            limit: u32,
        ) -> Result<Batch, StoreError> {
            let batch = self.store.entries(key, sort, after, limit).await?;
            self.read.lock().unwrap().push((key.clone(), batch.entries.len()));
            Ok(batch)
        }

        async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
            self.store.products(ids).await
        }
    }

    impl RecordingCatalog {
        fn reads(&self) -> Vec<(IndexKey, usize)> {
            std::mem::take(&mut self.read.lock().unwrap())
        }
    }

    fn word(word: &str) -> IndexKey {
        IndexKey::Word(word.to_owned())
    }

    #[tokio::test]
    async fn a_page_examines_a_bounded_number_of_entries() {
        let store = RecordingCatalog::default();
        let matching = register_for_sale(&store.store, 1, "a", "blue hat").await;
        for millis in 2..=1_300 {
            register_for_sale(&store.store, millis, "a", "blue hat").await;
        }
        let search = Search { price_max: Some(Amount::new(1).unwrap()), ..Search::default() };
        let (found, next) = list_products(&store, &search, 20, None).await.unwrap();
        assert_eq!(found, []);
        assert_eq!(store.reads().iter().map(|(_, read)| read).sum::<usize>(), 900);
        let (found, next) = list_products(&store, &search, 20, next.as_deref()).await.unwrap();
        assert_eq!(found.iter().map(|product| product.product_id).collect::<Vec<_>>(), [matching]);
        assert_eq!(next, None);
    }

    #[tokio::test]
    async fn probes_count_towards_the_read_budget() {
        let store = RecordingCatalog::default();
        let matching = register_for_sale(&store.store, 1, "a", "red shoe").await;
        for millis in 2..=2_200 {
            // Neither word is rare, but both together are.
            register_for_sale(
                &store.store,
                millis,
                "a",
                if millis % 2 == 0 { "red hat" } else { "blue shoe" },
            )
            .await;
        }
        let search = Search { query: Some(Tokens::of("red shoe")), ..Search::default() };
        let (found, next) = list_products(&store, &search, 20, None).await.unwrap();
        assert_eq!(found, []);
        assert_eq!(store.reads().iter().map(|(_, read)| read).sum::<usize>(), 900);
        let (found, next) = list_products(&store, &search, 20, next.as_deref()).await.unwrap();
        assert_eq!((found.len(), found[0].product_id, next), (1, matching, None));
    }

    /// A store whose index lags behind the products.
    struct StaleIndexCatalog {
        index: MemoryCatalog,
        products: MemoryCatalog,
    }

    impl IndexReader for StaleIndexCatalog {
        async fn entries(
            &self,
            key: &IndexKey,
            sort: Sort,
            after: Option<&str>,
            limit: u32,
        ) -> Result<Batch, StoreError> {
            self.index.entries(key, sort, after, limit).await
        }

        async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
            self.products.products(ids).await
        }
    }

    #[tokio::test]
    async fn stale_entries_are_filtered_by_the_current_product() {
        let store = StaleIndexCatalog {
            index: MemoryCatalog::default(),
            products: MemoryCatalog::default(),
        };
        for millis in 1..=4 {
            let registered = registered(millis, "a", "thing", 1);
            let context = EventContext::default();
            let now = Timestamp::from_millis(millis);
            let sold = registered.product.set_status(ProductStatus::Sell, now, &context).unwrap();
            let hidden =
                sold.product.set_status(ProductStatus::Unregistered, now, &context).unwrap();
            // The index has all four; the newest two have been unregistered since.
            for update in [&registered, &sold] {
                assert_eq!(store.index.save(update).await.unwrap(), ProductWriteOutcome::Done);
                assert_eq!(store.products.save(update).await.unwrap(), ProductWriteOutcome::Done);
            }
            if millis > 2 {
                assert_eq!(store.products.save(&hidden).await.unwrap(), ProductWriteOutcome::Done);
            }
        }
        let (found, next) = list_products(&store, &Search::default(), 2, None).await.unwrap();
        let times: Vec<_> = found.iter().map(|product| product.created_at.millis()).collect();
        assert_eq!((times, next), (vec![2, 1], None));
    }

    #[tokio::test]
    async fn every_page_reads_the_most_selective_key() {
        let store = RecordingCatalog::default();
        for millis in 1..=200 {
            let title = if millis % 4 == 0 { "rare red shoe" } else { "red shoe" };
            register_for_sale(&store.store, millis, "a", title).await;
        }
        let seller = Some(SellerId::derive(&[b"a"]));
        let search =
            Search { query: Some(Tokens::of("shoe rare red")), seller, ..Search::default() };
        let (found, next) = list_products(&store, &search, 30, None).await.unwrap();
        assert_eq!((found.len(), store.reads().len()), (30, 4));
        let (found, next) = list_products(&store, &search, 30, next.as_deref()).await.unwrap();
        assert_eq!((found.len(), next), (20, None));
        assert_eq!(store.reads(), [(word("rare"), 20)]);
    }

    #[tokio::test]
    async fn an_unfiltered_page_reads_one_entry_more_than_it_has() {
        let store = RecordingCatalog::default();
        for millis in 1..=10 {
            register_for_sale(&store.store, millis, "a", "thing").await;
        }
        let (found, next) = list_products(&store, &Search::default(), 4, None).await.unwrap();
        assert_eq!((found.len(), store.reads()), (4, vec![(IndexKey::All, 5)]));
        let (found, next) =
            list_products(&store, &Search::default(), 4, next.as_deref()).await.unwrap();
        assert_eq!((found.len(), next.is_some()), (4, true));
        let (found, next) =
            list_products(&store, &Search::default(), 4, next.as_deref()).await.unwrap();
        assert_eq!((found.len(), next), (2, None));
    }

    #[tokio::test]
    async fn a_full_last_page_has_no_position() {
        let store = RecordingCatalog::default();
        for millis in 1..=4 {
            register_for_sale(&store.store, millis, "a", "thing").await;
        }
        let (found, next) = list_products(&store, &Search::default(), 4, None).await.unwrap();
        assert_eq!((found.len(), next), (4, None));
    }

    #[tokio::test]
    async fn an_invalid_position_is_rejected() {
        let search = Search::default();
        for bad in ["", "1@x", "0@"] {
            let listed = list_products(&RecordingCatalog::default(), &search, 4, Some(bad)).await;
            assert!(matches!(listed, Err(ListProductsError::Position(_))), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_query_without_a_word_finds_nothing() {
        let store = RecordingCatalog::default();
        register_for_sale(&store.store, 1, "a", "thing").await;
        let search = Search { query: Some(Tokens::of("?!")), ..Search::default() };
        let (found, next) = list_products(&store, &search, 20, None).await.unwrap();
        assert_eq!((found, next, store.reads()), (vec![], None, vec![]));
    }
}
