//! The taxonomy of the shop: categories, brands and items.

use rialto_kernel::{BrandId, CategoryId, ItemId, Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    pub category_id: CategoryId,
    pub name: Text<1, 100>,
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brand {
    pub brand_id: BrandId,
    pub name: Text<1, 100>,
    pub version: u64,
}

/// The smallest unit that products are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub item_id: ItemId,
    pub name: Text<1, 200>,
    pub category_id: CategoryId,
    pub brand_id: BrandId,
    pub attributes: Attributes,
    pub version: u64,
}

/// Further properties of an item, such as its colour: up to 20 pairs of name and value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<Text<1, 50>, Text<1, 200>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have at most {} attributes", Attributes::MAX)]
pub struct AttributesError;

impl Attributes {
    pub const MAX: usize = 20;

    /// # Errors
    /// [`AttributesError`] for more than [`Attributes::MAX`] pairs.
    pub fn new(attributes: BTreeMap<Text<1, 50>, Text<1, 200>>) -> Result<Self, AttributesError> {
        if attributes.len() > Self::MAX { Err(AttributesError) } else { Ok(Self(attributes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_20_attributes_are_rejected() {
        let attributes = |number: usize| {
            let text = |at: usize| Text::parse(&at.to_string()).unwrap();
            Attributes::new((0..number).map(|at| (text(at), Text::parse("x").unwrap())).collect())
        };
        assert!(attributes(20).is_ok());
        assert_eq!(attributes(21), Err(AttributesError));
    }
}
