//! Product search: the index entries that match, and their batch-wise selection for a page.

use super::{
    index::{IndexEntry, IndexKey, Sort},
    product::Product,
    tokens::Tokens,
};
use rialto_kernel::{Amount, BrandId, CategoryId, ProductId, SellerId};

/// The filters and the order of a product search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub category: Option<CategoryId>,
    pub brand: Option<BrandId>,
    pub seller: Option<SellerId>,
    pub price_min: Option<Amount>,
    pub price_max: Option<Amount>,
    /// The words that the title must contain, all of them. A query without a word in it matches
    /// nothing.
    pub query: Option<Tokens>,
    pub sort: Sort,
}

/// Consecutive entries under one index key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub entries: Vec<IndexEntry>,
    /// Whether there may be more entries after these.
    pub has_more: bool,
}

/// The part of a batch that goes onto a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSlice {
    pub products: Vec<ProductId>,
    /// The sort key of the last entry that was examined.
    pub last_key: Option<String>,
    /// Whether no later entry can match.
    pub is_last: bool,
}

impl Search {
    /// Whether no product can match: the query has no word in it.
    #[must_use]
    pub fn matches_nothing(&self) -> bool {
        self.query.as_ref().is_some_and(Tokens::is_empty)
    }

    /// The index keys under each of which all matching products are found. Any one of them is
    /// enough.
    #[must_use]
    pub fn index_keys(&self) -> Vec<IndexKey> {
        let words = self.query.iter().flat_map(Tokens::iter);
        let mut keys: Vec<IndexKey> = words.map(|word| IndexKey::Word(word.to_owned())).collect();
        keys.extend(self.seller.map(IndexKey::Seller));
        keys.extend(self.brand.map(IndexKey::Brand));
        keys.extend(self.category.map(IndexKey::Category));
        if keys.is_empty() {
            keys.push(IndexKey::All);
        }
        keys
    }

    /// Whether an index key may also have entries that don't match.
    #[must_use]
    pub fn needs_filtering(&self) -> bool {
        let by_price = self.price_min.is_some() || self.price_max.is_some();
        self.index_keys().len() > 1 || (by_price && self.sort != Sort::Price)
    }

    /// The sort key after which to start; `None` for the first entry.
    #[must_use]
    pub fn start_key(&self) -> Option<String> {
        self.price_min.filter(|_| self.sort == Sort::Price).map(Sort::price_prefix)
    }

    /// Whether an entry matches all filters.
    #[must_use]
    pub fn matches(&self, entry: &IndexEntry) -> bool {
        self.category.is_none_or(|category| entry.category_id == category)
            && self.brand.is_none_or(|brand| entry.brand_id == brand)
            && self.seller.is_none_or(|seller| entry.seller_id == seller)
            && self.price_min.is_none_or(|min| entry.price >= min)
            && self.price_max.is_none_or(|max| entry.price <= max)
            && self.query.as_ref().is_none_or(|query| entry.words.contains_all(query))
    }

    /// Whether a product in its current state is public and matches all filters.
    #[must_use]
    pub fn matches_product(&self, product: &Product) -> bool {
        product.index_entry().is_some_and(|entry| self.matches(&entry))
    }

    /// Selects up to `limit` matching products of a batch.
    #[must_use]
    pub fn fill_page(&self, batch: &Batch, limit: usize) -> PageSlice {
        let mut slice = PageSlice { products: Vec::new(), last_key: None, is_last: false };
        for (at, entry) in batch.entries.iter().enumerate() {
            if self.sort == Sort::Price && self.price_max.is_some_and(|max| entry.price > max) {
                slice.is_last = true;
                return slice;
            }
            slice.last_key = Some(self.sort.sort_key(entry));
            if self.matches(entry) {
                slice.products.push(entry.product_id);
            }
            if slice.products.len() == limit && at + 1 < batch.entries.len() {
                return slice;
            }
        }
        slice.is_last = !batch.has_more || batch.entries.is_empty();
        slice
    }

    /// The index of the key with the fewest entries, estimated by the first batch of each: the
    /// shortest complete one, or else the one whose batch spans most of the order, because its
    /// entries are the sparsest.
    #[must_use]
    pub fn most_selective(&self, batches: &[Batch]) -> usize {
        let complete = batches.iter().enumerate().filter(|(_, batch)| !batch.has_more);
        if let Some((at, _)) = complete.min_by_key(|(_, batch)| batch.entries.len()) {
            return at;
        }
        let last_key = |batch: &Batch| batch.entries.last().map(|entry| self.sort.sort_key(entry));
        let last_keys = batches.iter().map(last_key).enumerate();
        let sparsest = if self.sort.is_descending() {
            last_keys.min_by(|(_, a), (_, b)| a.cmp(b))
        } else {
            // `max_by` returns the last of equals; reversed, the first, as `min_by` does.
            last_keys.rev().max_by(|(_, a), (_, b)| a.cmp(b))
        };
        sparsest.map_or(0, |(at, _)| at)
    }
}

/// The position at which a search continues, as cursors carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPosition {
    /// Which of [`Search::index_keys`] is read.
    pub index_key: usize,
    /// The sort key of the last entry that was examined.
    pub last_key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list")]
pub struct SearchPositionError;

impl SearchPosition {
    /// # Errors
    /// [`SearchPositionError`] for a text that isn't a position in a search by `index_keys` keys.
    pub fn parse(text: &str, index_keys: usize) -> Result<Self, SearchPositionError> {
        let (index_key, last_key) = text.split_once('@').ok_or(SearchPositionError)?;
        let index_key = index_key.parse().ok().filter(|at| *at < index_keys);
        let index_key = index_key.ok_or(SearchPositionError)?;
        if last_key.is_empty() {
            return Err(SearchPositionError);
        }
        Ok(Self { index_key, last_key: last_key.to_owned() })
    }
}

impl std::fmt::Display for SearchPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.index_key, self.last_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::Timestamp;

    fn entry(millis: i64, price: i64, title: &str) -> IndexEntry {
        IndexEntry {
            product_id: ProductId::generate(Timestamp::from_millis(millis)),
            seller_id: SellerId::derive(&[b"s"]),
            category_id: CategoryId::derive(&[b"c"]),
            brand_id: BrandId::derive(&[b"b"]),
            price: amount(price),
            rating_tenths: 0,
            words: Tokens::of(title),
        }
    }

    fn amount(price: i64) -> Amount {
        Amount::new(price).unwrap()
    }

    fn batch(millis: &[i64], has_more: bool) -> Batch {
        Batch {
            entries: millis.iter().map(|millis| entry(*millis, *millis, "red shoe")).collect(),
            has_more,
        }
    }

    fn red() -> Search {
        Search { query: Some(Tokens::of("red")), ..Search::default() }
    }

    #[test]
    fn entries_must_match_every_filter() {
        let entry = entry(1, 100, "red shoe");
        let matches = |search: Search| search.matches(&entry);
        assert!(matches(Search::default()));
        assert!(matches(Search {
            price_min: Some(amount(100)),
            price_max: Some(amount(100)),
            ..red()
        }));
        assert!(!matches(Search { price_min: Some(amount(101)), ..red() }));
        assert!(!matches(Search { price_max: Some(amount(99)), ..red() }));
        assert!(!matches(Search { query: Some(Tokens::of("red boot")), ..red() }));
        assert!(!matches(Search { seller: Some(SellerId::derive(&[b"x"])), ..red() }));
        assert!(!matches(Search { brand: Some(BrandId::derive(&[b"x"])), ..red() }));
        assert!(!matches(Search { category: Some(CategoryId::derive(&[b"x"])), ..red() }));
        assert!(matches(Search { category: Some(CategoryId::derive(&[b"c"])), ..red() }));
    }

    #[test]
    fn a_query_without_a_word_matches_nothing() {
        let query = |text| Search { query: Some(Tokens::of(text)), ..Search::default() };
        assert!(query("!?").matches_nothing());
        assert!(!query("a!").matches_nothing());
        assert!(!Search::default().matches_nothing());
    }

    #[test]
    fn a_page_ends_when_it_is_full() {
        let batch = batch(&[5, 4, 3], false);
        let slice = red().fill_page(&batch, 2);
        assert_eq!(slice.products.len(), 2);
        assert_eq!(slice.last_key, Some(Sort::Newest.sort_key(&batch.entries[1])));
        assert!(!slice.is_last);
        assert!(red().fill_page(&batch, 3).is_last);
        assert!(!red().fill_page(&Batch { has_more: true, ..batch }, 3).is_last);
        assert!(red().fill_page(&Batch { entries: Vec::new(), has_more: true }, 3).is_last);
    }

    #[test]
    fn a_search_by_price_reads_only_the_range() {
        let search = Search {
            price_min: Some(amount(2)),
            price_max: Some(amount(3)),
            sort: Sort::Price,
            ..Search::default()
        };
        assert!(search.start_key().unwrap() < Sort::Price.sort_key(&entry(1, 2, "a")));
        assert!(search.start_key().unwrap() > Sort::Price.sort_key(&entry(1, 1, "a")));
        let slice = search.fill_page(&batch(&[2, 3, 4], true), 10);
        assert!(slice.is_last);
        assert_eq!(slice.products.len(), 2);
    }

    #[test]
    fn the_shortest_complete_batch_is_the_most_selective() {
        let batches = [batch(&[9, 1], true), batch(&[9, 8, 7], false), batch(&[9, 8], false)];
        assert_eq!(red().most_selective(&batches), 2);
    }

    #[test]
    fn the_sparsest_incomplete_batch_is_the_most_selective() {
        assert_eq!(red().most_selective(&[batch(&[9, 8], true), batch(&[9, 2], true)]), 1);
        let by_price = Search { sort: Sort::Price, ..red() };
        assert_eq!(by_price.most_selective(&[batch(&[1, 8], true), batch(&[1, 2], true)]), 0);
    }

    #[test]
    fn a_position_is_parsed_within_the_number_of_keys() {
        let position = SearchPosition { index_key: 1, last_key: "0000000000002#prd_x".to_owned() };
        assert_eq!(SearchPosition::parse(&position.to_string(), 2), Ok(position.clone()));
        assert_eq!(SearchPosition::parse(&position.to_string(), 1), Err(SearchPositionError));
        for bad in ["", "1", "1@", "@x", "-1@x"] {
            assert_eq!(SearchPosition::parse(bad, 2), Err(SearchPositionError), "{bad}");
        }
    }
}
