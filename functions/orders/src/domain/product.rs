use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{Amount, ProductId, SellerId};
use serde::{Deserialize, Serialize};

/// What orders knows of a product: catalog's last word, by its version there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub price: Amount,
    /// The seller's choice. Whether there is stock only inventory decides.
    pub status: ProductStatus,
    pub version: u64,
}

impl Product {
    #[must_use]
    pub fn is_orderable(&self) -> bool {
        self.status == ProductStatus::Sell
    }
}
