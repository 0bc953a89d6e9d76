use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{Amount, ProductId, SellerId};
use serde::{Deserialize, Serialize};

/// Orders' copy of a catalog product, as of `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub price: Amount,
    /// The status that the seller set. Stock is only known to inventory.
    pub status: ProductStatus,
    /// The product's version in catalog.
    pub version: u64,
}

impl Product {
    #[must_use]
    pub fn is_orderable(&self) -> bool {
        self.status == ProductStatus::Sell
    }
}
