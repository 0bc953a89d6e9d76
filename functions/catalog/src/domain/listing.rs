//! How public products are found: each stands in a list for everything it can be looked for by.

use super::words::Tokens;
use rialto_kernel::{Amount, BrandId, CategoryId, ProductId, SellerId};
use serde::{Deserialize, Serialize};

/// What lists hold of a product: what they filter and sort by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub category_id: CategoryId,
    pub brand_id: BrandId,
    pub price: Amount,
    /// The ratings' average in tenths; 0 without any.
    pub rating_tenths: u8,
    pub words: Tokens,
}

/// What all products of one list have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexKey {
    All,
    Seller(SellerId),
    Brand(BrandId),
    Category(CategoryId),
    /// A word of the title.
    Word(String),
}

/// In which order a list is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Sort {
    /// Newest first: a product's place never changes.
    #[default]
    Newest,
    /// Cheapest first.
    Price,
    /// Best first, without ratings last; newest first among alike.
    Rating,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not newest, price or rating")]
pub struct SortError;

impl std::str::FromStr for Sort {
    type Err = SortError;

    fn from_str(text: &str) -> Result<Self, SortError> {
        match text {
            "newest" => Ok(Self::Newest),
            "price" => Ok(Self::Price),
            "rating" => Ok(Self::Rating),
            _ => Err(SortError),
        }
    }
}

impl Sort {
    /// An entry's place, as text that sorts so; no two entries share one.
    #[must_use]
    pub fn sort_key(self, entry: &IndexEntry) -> String {
        let id = entry.product_id;
        match self {
            Self::Newest => id.to_string(),
            Self::Price => format!("{}#{id}", Self::price(entry.price)),
            Self::Rating => format!("{:02}#{id}", entry.rating_tenths),
        }
    }

    /// Where a price begins in the order of prices.
    #[must_use]
    pub fn price(price: Amount) -> String {
        format!("{:013}", price.minor_units())
    }

    /// Whether lists are read from the last place to the first.
    #[must_use]
    pub const fn descends(self) -> bool {
        matches!(self, Self::Newest | Self::Rating)
    }
}

impl IndexEntry {
    /// Every list that it stands in: up to 16.
    #[must_use]
    pub fn lists(&self) -> Vec<IndexKey> {
        let mut lists = vec![
            IndexKey::All,
            IndexKey::Seller(self.seller_id),
            IndexKey::Brand(self.brand_id),
            IndexKey::Category(self.category_id),
        ];
        lists.extend(self.words.iter().map(|word| IndexKey::Word(word.to_owned())));
        lists
    }
}

/// What a change of a product changes in lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexDiff {
    /// Where the product's entry is to be written.
    pub write: Vec<IndexKey>,
    /// Where it is to be taken out.
    pub remove: Vec<IndexKey>,
}

impl IndexDiff {
    /// From the product's entry before and after; nothing if lists say the same of it.
    #[must_use]
    pub fn between(before: Option<&IndexEntry>, after: Option<&IndexEntry>) -> Self {
        if before == after {
            return Self::default();
        }
        let write = after.map(IndexEntry::lists).unwrap_or_default();
        let mut remove = before.map(IndexEntry::lists).unwrap_or_default();
        remove.retain(|list| !write.contains(list));
        Self { write, remove }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::Timestamp;

    fn entry(millis: i64, price: i64, rating_tenths: u8, title: &str) -> IndexEntry {
        IndexEntry {
            product_id: ProductId::generate(Timestamp::from_millis(millis)),
            seller_id: SellerId::derive(&[b"s"]),
            category_id: CategoryId::derive(&[b"c"]),
            brand_id: BrandId::derive(&[b"b"]),
            price: Amount::new(price).unwrap(),
            rating_tenths,
            words: Tokens::of(title),
        }
    }

    #[test]
    fn places_sort_as_text() {
        let (old, new) = (entry(1, 1_000, 50, "a"), entry(2, 999, 9, "b"));
        assert!(Sort::Newest.sort_key(&old) < Sort::Newest.sort_key(&new));
        assert!(Sort::Price.sort_key(&new) < Sort::Price.sort_key(&old));
        assert!(Sort::Rating.sort_key(&new) < Sort::Rating.sort_key(&old));
        let dearest = Amount::MAX;
        assert!(Sort::price(Amount::new(2).unwrap()) < Sort::price(dearest));
        assert!(Sort::price(old.price) < Sort::Price.sort_key(&old));
    }

    #[test]
    fn a_change_of_title_moves_only_between_words() {
        let before = entry(1, 5, 0, "red shoe");
        let after = IndexEntry { words: Tokens::of("blue shoe"), ..before.clone() };
        let relisting = IndexDiff::between(Some(&before), Some(&after));
        assert_eq!(relisting.remove, [IndexKey::Word("red".to_owned())]);
        assert_eq!(relisting.write, after.lists());
    }

    #[test]
    fn what_appears_is_written_and_what_vanishes_removed_everywhere() {
        let entry = entry(1, 5, 0, "red shoe");
        assert_eq!(entry.lists().len(), 6);
        assert_eq!(IndexDiff::between(None, Some(&entry)).write, entry.lists());
        assert_eq!(IndexDiff::between(Some(&entry), None).remove, entry.lists());
        assert!(IndexDiff::between(Some(&entry), Some(&entry)).is_empty());
        assert!(IndexDiff::between(None, None).is_empty());
    }
}
