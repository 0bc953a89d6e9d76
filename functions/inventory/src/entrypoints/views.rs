//! Response bodies that several routes share.

use crate::domain::stock::Stock;
use rialto_kernel::ProductId;
use serde::Serialize;
use utoipa::ToSchema;

/// A product's stock, in units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stock)]
pub struct StockBody {
    pub product_id: ProductId,
    /// Free to be ordered.
    pub available: u64,
    /// Held for orders that aren't confirmed yet.
    pub reserved: u64,
    /// Sold with confirmed orders.
    pub sold: u64,
}

impl From<&Stock> for StockBody {
    fn from(stock: &Stock) -> Self {
        Self {
            product_id: stock.product_id,
            available: stock.available,
            reserved: stock.reserved,
            sold: stock.sold,
        }
    }
}
