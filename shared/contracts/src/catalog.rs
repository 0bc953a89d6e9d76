//! Events that catalog publishes.

use rialto_kernel::{Amount, ItemId, ProductId, SellerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A product's status as set by its seller. Availability is tracked separately, by inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProductStatus {
    Registered,
    Sell,
    SoldOut,
    Unregistered,
    /// A status that this release doesn't know; never published, and no product has it.
    #[serde(other)]
    Other,
}

impl ProductStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::Sell => "SELL",
            Self::SoldOut => "SOLD_OUT",
            Self::Unregistered => "UNREGISTERED",
            Self::Other => "OTHER",
        }
    }
}

/// A seller has registered a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductRegistered {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub item_id: ItemId,
    pub title: String,
    pub price: Amount,
    pub initial_stock: u32,
    /// Can't be changed later: the stock of such a product is split into buckets.
    pub flash_sale: bool,
    pub status: ProductStatus,
}

/// The product after a change; consumers store the copy with the highest `sequence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductChanged {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub price: Amount,
    pub status: ProductStatus,
}

crate::source! {
    Catalog = "rialto.catalog" {
        ProductRegistered v 1 subject product_id,
        ProductChanged v 1 subject product_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::{CancelReason, OrderLineState};

    #[test]
    fn values_of_a_later_release_are_read_as_other() {
        let read = |text: &str| serde_json::from_str::<ProductStatus>(text).unwrap();
        assert_eq!(
            (read("\"SELL\""), read("\"PAUSED\"")),
            (ProductStatus::Sell, ProductStatus::Other)
        );
        assert_eq!(serde_json::from_str::<CancelReason>("\"FRAUD\"").unwrap(), CancelReason::Other);
        assert_eq!(
            serde_json::from_str::<OrderLineState>("\"LOST\"").unwrap(),
            OrderLineState::Other
        );
    }
}
