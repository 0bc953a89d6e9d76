//! The index of public products: an entry of each under every key by which it can be searched for.

use super::tokens::Tokens;
use rialto_kernel::{Amount, BrandId, CategoryId, ProductId, SellerId};
use serde::{Deserialize, Serialize};

/// An entry of the index: the fields of a product to filter and sort by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub category_id: CategoryId,
    pub brand_id: BrandId,
    pub price: Amount,
    /// The average rating in tenths; 0 without ratings.
    pub rating_tenths: u8,
    pub words: Tokens,
}

/// A property by which products are indexed. Each value has a partition of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexKey {
    All,
    Seller(SellerId),
    Brand(BrandId),
    Category(CategoryId),
    /// A word of the title.
    Word(String),
}

/// The order in which entries are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Sort {
    /// Newest first. A product's sort key never changes.
    #[default]
    Newest,
    /// Cheapest first.
    Price,
    /// Best rating first, products without ratings last; newest first among equals.
    Rating,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be newest, price or rating")]
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
    /// An entry's sort key: unique, and in the right order as text.
    #[must_use]
    pub fn sort_key(self, entry: &IndexEntry) -> String {
        let id = entry.product_id;
        match self {
            Self::Newest => id.to_string(),
            Self::Price => format!("{}#{id}", Self::price_prefix(entry.price)),
            Self::Rating => format!("{:02}#{id}", entry.rating_tenths),
        }
    }

    /// The prefix of the sort keys of this price in the order [`Sort::Price`].
    #[must_use]
    pub fn price_prefix(price: Amount) -> String {
        format!("{:013}", price.minor_units())
    }

    /// Whether entries are read from the greatest sort key to the least.
    #[must_use]
    pub const fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::Rating)
    }
}

impl IndexEntry {
    /// Every key that a product is indexed under: up to 16.
    #[must_use]
    pub fn index_keys(&self) -> Vec<IndexKey> {
        let mut keys = vec![
            IndexKey::All,
            IndexKey::Seller(self.seller_id),
            IndexKey::Brand(self.brand_id),
            IndexKey::Category(self.category_id),
        ];
        keys.extend(self.words.iter().map(|word| IndexKey::Word(word.to_owned())));
        keys
    }
}

/// The difference between the index entries of a product before and after an update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexDiff {
    /// The keys under which the entry is written.
    pub write: Vec<IndexKey>,
    /// The keys under which the entry is deleted.
    pub remove: Vec<IndexKey>,
}

impl IndexDiff {
    /// The difference between the entry before and after; empty if the entry is unchanged.
    #[must_use]
    pub fn between(before: Option<&IndexEntry>, after: Option<&IndexEntry>) -> Self {
        if before == after {
            return Self::default();
        }
        let write = after.map(IndexEntry::index_keys).unwrap_or_default();
        let mut remove = before.map(IndexEntry::index_keys).unwrap_or_default();
        remove.retain(|key| !write.contains(key));
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
    fn sort_keys_order_entries_as_text() {
        let (old, new) = (entry(1, 1_000, 50, "a"), entry(2, 999, 9, "b"));
        assert!(Sort::Newest.sort_key(&old) < Sort::Newest.sort_key(&new));
        assert!(Sort::Price.sort_key(&new) < Sort::Price.sort_key(&old));
        assert!(Sort::Rating.sort_key(&new) < Sort::Rating.sort_key(&old));
        let dearest = Amount::MAX;
        assert!(Sort::price_prefix(Amount::new(2).unwrap()) < Sort::price_prefix(dearest));
        assert!(Sort::price_prefix(old.price) < Sort::Price.sort_key(&old));
    }

    #[test]
    fn a_new_title_replaces_only_the_entries_of_its_words() {
        let before = entry(1, 5, 0, "red shoe");
        let after = IndexEntry { words: Tokens::of("blue shoe"), ..before.clone() };
        let diff = IndexDiff::between(Some(&before), Some(&after));
        assert_eq!(diff.remove, [IndexKey::Word("red".to_owned())]);
        assert_eq!(diff.write, after.index_keys());
    }

    #[test]
    fn published_products_are_indexed_and_hidden_ones_removed() {
        let entry = entry(1, 5, 0, "red shoe");
        assert_eq!(entry.index_keys().len(), 6);
        assert_eq!(IndexDiff::between(None, Some(&entry)).write, entry.index_keys());
        assert_eq!(IndexDiff::between(Some(&entry), None).remove, entry.index_keys());
        assert!(IndexDiff::between(Some(&entry), Some(&entry)).is_empty());
        assert!(IndexDiff::between(None, None).is_empty());
    }
}
