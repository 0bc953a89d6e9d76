//! Events that inventory publishes.

use rialto_kernel::{Amount, Currency, OrderId, ProductId, Quantity, SellerId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every line of the order is reserved. Contains the data that payments needs for the charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockReserved {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub total: Amount,
    pub currency: Currency,
    pub payment_method: String,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shortage {
    pub product_id: ProductId,
    pub wanted: u32,
    pub available: u32,
}

/// At least one product has insufficient stock, and nothing was reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockRejected {
    pub order_id: OrderId,
    pub shortages: Vec<Shortage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleasedLine {
    pub line_no: u32,
    pub product_id: ProductId,
    pub quantity: Quantity,
    /// Whether the pieces are available again; if not, they were written off.
    #[serde(default = "restocked_by_default")]
    pub restocked: bool,
}

const fn restocked_by_default() -> bool {
    true
}

/// These lines hold no stock any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockReleased {
    pub order_id: OrderId,
    pub lines: Vec<ReleasedLine>,
}

/// The product's available stock fell to zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockDepleted {
    pub product_id: ProductId,
    pub seller_id: SellerId,
}

/// The product has available stock again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockReplenished {
    pub product_id: ProductId,
    pub seller_id: SellerId,
}

crate::source! {
    Inventory = "rialto.inventory" {
        StockReserved v 1 subject order_id,
        StockRejected v 1 subject order_id,
        StockReleased v 1 subject order_id,
        StockDepleted v 1 subject product_id,
        StockReplenished v 1 subject product_id,
    }
}
