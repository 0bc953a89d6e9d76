//! What is looked for, and how a chunk of a list becomes a part of a page.

use super::{
    listing::{IndexEntry, IndexKey, Sort},
    product::Product,
    words::Tokens,
};
use rialto_kernel::{Amount, BrandId, CategoryId, ProductId, SellerId};

/// Which public products are looked for, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub category: Option<CategoryId>,
    pub brand: Option<BrandId>,
    pub seller: Option<SellerId>,
    pub price_min: Option<Amount>,
    pub price_max: Option<Amount>,
    /// The title has all of these.
    pub words: Tokens,
    pub sort: Sort,
}

/// Entries of one list in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub entries: Vec<IndexEntry>,
    /// Whether there may be more behind them.
    pub more: bool,
}

/// What of a chunk goes onto a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSlice {
    pub products: Vec<ProductId>,
    /// The place of the last entry that was looked at.
    pub last: Option<String>,
    /// Nothing behind it can match.
    pub ended: bool,
}

impl Search {
    /// The lists that hold everything looked for: any one of them will do.
    #[must_use]
    pub fn lists(&self) -> Vec<IndexKey> {
        let mut lists: Vec<IndexKey> =
            self.words.iter().map(|word| IndexKey::Word(word.to_owned())).collect();
        lists.extend(self.seller.map(IndexKey::Seller));
        lists.extend(self.brand.map(IndexKey::Brand));
        lists.extend(self.category.map(IndexKey::Category));
        if lists.is_empty() {
            lists.push(IndexKey::All);
        }
        lists
    }

    /// Whether a list holds products that aren't looked for.
    #[must_use]
    pub fn needs_filtering(&self) -> bool {
        let by_price = self.price_min.is_some() || self.price_max.is_some();
        self.lists().len() > 1 || (by_price && self.sort != Sort::Price)
    }

    /// Behind which place to begin.
    #[must_use]
    pub fn start(&self) -> Option<String> {
        self.price_min.filter(|_| self.sort == Sort::Price).map(Sort::price)
    }

    /// Whether an entry is one of what is looked for.
    #[must_use]
    pub fn matches(&self, entry: &IndexEntry) -> bool {
        self.category.is_none_or(|category| entry.category_id == category)
            && self.brand.is_none_or(|brand| entry.brand_id == brand)
            && self.seller.is_none_or(|seller| entry.seller_id == seller)
            && self.price_min.is_none_or(|min| entry.price >= min)
            && self.price_max.is_none_or(|max| entry.price <= max)
            && entry.words.contain(&self.words)
    }

    /// Whether the product itself, as it is now, is one of what is looked for.
    #[must_use]
    pub fn matches_product(&self, product: &Product) -> bool {
        product.entry().is_some_and(|entry| self.matches(&entry))
    }

    /// Takes up to `room` products out of a chunk.
    #[must_use]
    pub fn fill_page(&self, chunk: &Batch, room: usize) -> PageSlice {
        let mut taken = PageSlice { products: Vec::new(), last: None, ended: false };
        for (at, entry) in chunk.entries.iter().enumerate() {
            if self.sort == Sort::Price && self.price_max.is_some_and(|max| entry.price > max) {
                taken.ended = true;
                return taken;
            }
            taken.last = Some(self.sort.sort_key(entry));
            if self.matches(entry) {
                taken.products.push(entry.product_id);
            }
            if taken.products.len() == room && at + 1 < chunk.entries.len() {
                return taken;
            }
        }
        taken.ended = !chunk.more || chunk.entries.is_empty();
        taken
    }

    /// Which of several lists holds the least, going by a chunk of each from its beginning: the shortest that is whole,
    /// or else the one whose chunk reaches furthest in the order, because its products lie furthest apart.
    #[must_use]
    pub fn most_selective(&self, chunks: &[Batch]) -> usize {
        let whole = chunks.iter().enumerate().filter(|(_, chunk)| !chunk.more);
        if let Some((at, _)) = whole.min_by_key(|(_, chunk)| chunk.entries.len()) {
            return at;
        }
        let reach = |chunk: &Batch| chunk.entries.last().map(|entry| self.sort.sort_key(entry));
        let reaches = chunks.iter().map(reach).enumerate();
        let furthest = if self.sort.descends() {
            reaches.min_by(|(_, a), (_, b)| a.cmp(b))
        } else {
            // Of equals `max_by` gives the last; the first is as good and the same for every order.
            reaches.rev().max_by(|(_, a), (_, b)| a.cmp(b))
        };
        furthest.map_or(0, |(at, _)| at)
    }
}

/// Where a search goes on: in which of its lists, behind which place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub list: usize,
    pub last: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list")]
pub struct PositionError;

impl Position {
    /// # Errors
    /// [`PositionError`] for a text that isn't a position in one of `lists` lists.
    pub fn parse(text: &str, lists: usize) -> Result<Self, PositionError> {
        let (list, last) = text.split_once('@').ok_or(PositionError)?;
        let list = list.parse().ok().filter(|list| *list < lists).ok_or(PositionError)?;
        if last.is_empty() { Err(PositionError) } else { Ok(Self { list, last: last.to_owned() }) }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.list, self.last)
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

    fn chunk(millis: &[i64], more: bool) -> Batch {
        Batch {
            entries: millis.iter().map(|millis| entry(*millis, *millis, "red shoe")).collect(),
            more,
        }
    }

    fn red() -> Search {
        Search { words: Tokens::of("red"), ..Search::default() }
    }

    #[test]
    fn every_filter_filters() {
        let entry = entry(1, 100, "red shoe");
        let other = |search: Search| search.matches(&entry);
        assert!(other(Search::default()));
        assert!(other(Search {
            price_min: Some(amount(100)),
            price_max: Some(amount(100)),
            ..red()
        }));
        assert!(!other(Search { price_min: Some(amount(101)), ..red() }));
        assert!(!other(Search { price_max: Some(amount(99)), ..red() }));
        assert!(!other(Search { words: Tokens::of("red boot"), ..red() }));
        assert!(!other(Search { seller: Some(SellerId::derive(&[b"x"])), ..red() }));
        assert!(!other(Search { brand: Some(BrandId::derive(&[b"x"])), ..red() }));
        assert!(!other(Search { category: Some(CategoryId::derive(&[b"x"])), ..red() }));
        assert!(other(Search { category: Some(CategoryId::derive(&[b"c"])), ..red() }));
    }

    #[test]
    fn a_page_ends_where_it_is_full() {
        let chunk = chunk(&[5, 4, 3], false);
        let taken = red().fill_page(&chunk, 2);
        assert_eq!(taken.products.len(), 2);
        assert_eq!(taken.last, Some(Sort::Newest.sort_key(&chunk.entries[1])));
        assert!(!taken.ended);
        assert!(red().fill_page(&chunk, 3).ended);
        assert!(!red().fill_page(&Batch { more: true, ..chunk }, 3).ended);
        assert!(red().fill_page(&Batch { entries: Vec::new(), more: true }, 3).ended);
    }

    #[test]
    fn the_order_of_prices_begins_and_ends_with_the_range() {
        let search = Search {
            price_min: Some(amount(2)),
            price_max: Some(amount(3)),
            sort: Sort::Price,
            ..Search::default()
        };
        assert!(search.start().unwrap() < Sort::Price.sort_key(&entry(1, 2, "a")));
        assert!(search.start().unwrap() > Sort::Price.sort_key(&entry(1, 1, "a")));
        let taken = search.fill_page(&chunk(&[2, 3, 4], true), 10);
        assert!(taken.ended);
        assert_eq!(taken.products.len(), 2);
    }

    #[test]
    fn the_list_that_is_whole_and_shortest_is_read() {
        let chunks = [chunk(&[9, 1], true), chunk(&[9, 8, 7], false), chunk(&[9, 8], false)];
        assert_eq!(red().most_selective(&chunks), 2);
    }

    #[test]
    fn otherwise_the_list_whose_products_lie_furthest_apart_is_read() {
        assert_eq!(red().most_selective(&[chunk(&[9, 8], true), chunk(&[9, 2], true)]), 1);
        let by_price = Search { sort: Sort::Price, ..red() };
        assert_eq!(by_price.most_selective(&[chunk(&[1, 8], true), chunk(&[1, 2], true)]), 0);
    }

    #[test]
    fn a_position_reads_back_and_names_one_of_the_lists() {
        let position = Position { list: 1, last: "0000000000002#prd_x".to_owned() };
        assert_eq!(Position::parse(&position.to_string(), 2), Ok(position.clone()));
        assert_eq!(Position::parse(&position.to_string(), 1), Err(PositionError));
        for bad in ["", "1", "1@", "@x", "-1@x"] {
            assert_eq!(Position::parse(bad, 2), Err(PositionError), "{bad}");
        }
    }
}
