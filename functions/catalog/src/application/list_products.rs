use crate::{
    domain::search::{Batch, Position, PositionError, Search},
    ports::{ListReader, ProductPage},
};
use futures_util::future::try_join_all;
use rialto_kernel::StoreError;

/// How many entries a page reads at most, those of the first look included.
pub const READ_BUDGET: u32 = 1_000;

/// How many entries of each list a first look reads. There are 15 lists at most: 12 words, a seller, a brand, a category.
const PROBE_SIZE: u32 = 40;

/// How many entries are read at once where some may not match.
const CHUNK: u32 = 250;

/// Why products aren't listed.
#[derive(Debug, thiserror::Error)]
pub enum ListProductsError {
    #[error(transparent)]
    Position(#[from] PositionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Up to `limit` public products that match, in order, and where to go on. The most selective list is read and the rest
/// filters; a page that read enough ends, however few it found.
///
/// # Errors
/// [`ListProductsError`] for a position that isn't one of this search, or when the store can't answer.
pub async fn list_products(
    store: &impl ListReader,
    search: &Search,
    limit: u32,
    position: Option<&str>,
) -> Result<ProductPage, ListProductsError> {
    let mut reading = ListScan::start(store, search, position).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    loop {
        let room = limit - found.len();
        let chunk = reading.chunk(room).await?;
        let taken = search.fill_page(&chunk, room);
        let products = store.products(&taken.products).await?;
        // What was found in a list may have changed since.
        found.extend(products.into_iter().filter(|product| search.matches_product(product)));
        if taken.ended {
            return Ok((found, None));
        }
        reading.last = taken.last;
        if found.len() >= limit || reading.left == 0 {
            return Ok((found, reading.position()));
        }
    }
}

/// One list as it is read for one page.
struct ListScan<'a, S> {
    store: &'a S,
    search: &'a Search,
    /// Which of the search's lists.
    list: usize,
    last: Option<String>,
    /// What a first look has read of it already.
    first: Option<Batch>,
    /// How many entries may still be read.
    left: u32,
}

impl<'a, S: ListReader> ListScan<'a, S> {
    /// Goes on where a page ended, or looks into every list and chooses one.
    async fn start(
        store: &'a S,
        search: &'a Search,
        position: Option<&str>,
    ) -> Result<Self, ListProductsError> {
        let lists = search.lists();
        let start = search.start();
        let mut reading =
            Self { store, search, list: 0, last: None, first: None, left: READ_BUDGET };
        if let Some(position) = position {
            let position = Position::parse(position, lists.len())?;
            return Ok(Self { list: position.list, last: Some(position.last), ..reading });
        }
        if lists.len() > 1 {
            let look = |list| store.entries(list, search.sort, start.as_deref(), PROBE_SIZE);
            let mut chunks = try_join_all(lists.iter().map(look)).await?;
            let read = chunks.iter().map(|chunk| chunk.entries.len()).sum::<usize>();
            reading.left = reading.left.saturating_sub(u32::try_from(read).unwrap_or(u32::MAX));
            reading.list = search.most_selective(&chunks);
            reading.first = Some(chunks.swap_remove(reading.list));
        }
        reading.last = start;
        Ok(reading)
    }

    async fn chunk(&mut self, room: usize) -> Result<Batch, StoreError> {
        if let Some(chunk) = self.first.take() {
            return Ok(chunk);
        }
        // One more than there is room for tells whether anything follows.
        let wanted = u32::try_from(room + 1).unwrap_or(u32::MAX);
        let wanted = if self.search.needs_filtering() { CHUNK } else { wanted }.min(self.left);
        let list = &self.search.lists()[self.list];
        let chunk =
            self.store.entries(list, self.search.sort, self.last.as_deref(), wanted).await?;
        self.left -= wanted;
        Ok(chunk)
    }

    fn position(&self) -> Option<String> {
        let last = self.last.clone()?;
        Some(Position { list: self.list, last }.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryCatalog,
        domain::{
            listing::{IndexKey, Sort},
            product::Product,
            words::Tokens,
        },
        ports::{ProductWriteOutcome, ProductWriter},
        testing::{registered, sell},
    };
    use rialto_contracts::{EventContext, catalog::ProductStatus};
    use rialto_kernel::{Amount, ProductId, SellerId, Timestamp};
    use std::sync::Mutex;

    /// The store in memory, with a note of every list read: which, and how many entries of it.
    #[derive(Default)]
    struct Noted {
        store: MemoryCatalog,
        read: Mutex<Vec<(IndexKey, usize)>>,
    }

    impl ListReader for Noted {
        async fn entries(
            &self,
            list: &IndexKey,
            sort: Sort,
            after: Option<&str>,
            limit: u32,
        ) -> Result<Batch, StoreError> {
            let chunk = self.store.entries(list, sort, after, limit).await?;
            self.read.lock().unwrap().push((list.clone(), chunk.entries.len()));
            Ok(chunk)
        }

        async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
            self.store.products(ids).await
        }
    }

    impl Noted {
        fn reads(&self) -> Vec<(IndexKey, usize)> {
            std::mem::take(&mut self.read.lock().unwrap())
        }
    }

    fn word(word: &str) -> IndexKey {
        IndexKey::Word(word.to_owned())
    }

    #[tokio::test]
    async fn a_page_reads_a_thousand_entries_and_goes_on_from_there() {
        let store = Noted::default();
        let wanted = sell(&store.store, 1, "a", "blue hat").await;
        for millis in 2..=1_300 {
            sell(&store.store, millis, "a", "blue hat").await;
        }
        let search = Search { price_max: Some(Amount::new(1).unwrap()), ..Search::default() };
        let (found, next) = list_products(&store, &search, 20, None).await.unwrap();
        assert_eq!(found, []);
        assert_eq!(store.reads().iter().map(|(_, read)| read).sum::<usize>(), 1_000);
        let (found, next) = list_products(&store, &search, 20, next.as_deref()).await.unwrap();
        assert_eq!(found.iter().map(|product| product.product_id).collect::<Vec<_>>(), [wanted]);
        assert_eq!(next, None);
    }

    #[tokio::test]
    async fn the_first_look_counts_among_the_thousand() {
        let store = Noted::default();
        let wanted = sell(&store.store, 1, "a", "red shoe").await;
        for millis in 2..=2_200 {
            // Neither word is rare, and hardly anything has both.
            sell(&store.store, millis, "a", if millis % 2 == 0 { "red hat" } else { "blue shoe" })
                .await;
        }
        let search = Search { words: Tokens::of("red shoe"), ..Search::default() };
        let (found, next) = list_products(&store, &search, 20, None).await.unwrap();
        assert_eq!(found, []);
        assert_eq!(store.reads().iter().map(|(_, read)| read).sum::<usize>(), 1_000);
        let (found, next) = list_products(&store, &search, 20, next.as_deref()).await.unwrap();
        assert_eq!((found.len(), found[0].product_id, next), (1, wanted, None));
    }

    /// Lists that lag behind the products.
    struct Lagging {
        lists: MemoryCatalog,
        products: MemoryCatalog,
    }

    impl ListReader for Lagging {
        async fn entries(
            &self,
            list: &IndexKey,
            sort: Sort,
            after: Option<&str>,
            limit: u32,
        ) -> Result<Batch, StoreError> {
            self.lists.entries(list, sort, after, limit).await
        }

        async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
            self.products.products(ids).await
        }
    }

    #[tokio::test]
    async fn what_lists_still_hold_is_shown_only_as_it_is_now() {
        let store = Lagging { lists: MemoryCatalog::default(), products: MemoryCatalog::default() };
        for millis in 1..=4 {
            let registered = registered(millis, "a", "thing", 1);
            let cause = EventContext::default();
            let now = Timestamp::from_millis(millis);
            let sold = registered.product.set_status(ProductStatus::Sell, now, &cause).unwrap();
            let hidden = sold.product.set_status(ProductStatus::Unregistered, now, &cause).unwrap();
            // Lists hold all four; the newest two were unregistered since.
            for change in [&registered, &sold] {
                assert_eq!(store.lists.store(change).await.unwrap(), ProductWriteOutcome::Done);
                assert_eq!(store.products.store(change).await.unwrap(), ProductWriteOutcome::Done);
            }
            if millis > 2 {
                assert_eq!(store.products.store(&hidden).await.unwrap(), ProductWriteOutcome::Done);
            }
        }
        let (found, next) = list_products(&store, &Search::default(), 2, None).await.unwrap();
        let times: Vec<_> = found.iter().map(|product| product.created_at.millis()).collect();
        assert_eq!((times, next), (vec![2, 1], None));
    }

    #[tokio::test]
    async fn the_rarest_is_read_and_the_next_page_reads_it_too() {
        let store = Noted::default();
        for millis in 1..=200 {
            let title = if millis % 4 == 0 { "rare red shoe" } else { "red shoe" };
            sell(&store.store, millis, "a", title).await;
        }
        let seller = Some(SellerId::derive(&[b"a"]));
        let search = Search { words: Tokens::of("shoe rare red"), seller, ..Search::default() };
        let (found, next) = list_products(&store, &search, 30, None).await.unwrap();
        assert_eq!((found.len(), store.reads().len()), (30, 4));
        let (found, next) = list_products(&store, &search, 30, next.as_deref()).await.unwrap();
        assert_eq!((found.len(), next), (20, None));
        assert_eq!(store.reads(), [(word("rare"), 20)]);
    }

    #[tokio::test]
    async fn without_filters_a_page_reads_one_entry_more_than_it_holds() {
        let store = Noted::default();
        for millis in 1..=10 {
            sell(&store.store, millis, "a", "thing").await;
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
    async fn the_last_page_knows_that_it_is_the_last() {
        let store = Noted::default();
        for millis in 1..=4 {
            sell(&store.store, millis, "a", "thing").await;
        }
        let (found, next) = list_products(&store, &Search::default(), 4, None).await.unwrap();
        assert_eq!((found.len(), next), (4, None));
    }

    #[tokio::test]
    async fn a_position_of_no_list_is_refused() {
        let search = Search::default();
        for bad in ["", "1@x", "0@"] {
            let refused = list_products(&Noted::default(), &search, 4, Some(bad)).await;
            assert!(matches!(refused, Err(ListProductsError::Position(_))), "{bad}");
        }
    }
}
