use rialto_kernel::{MovementId, OrderId, ProductId, Timestamp};
use serde::{Deserialize, Serialize};

/// The cause of a stock movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MovementCause {
    /// The product was registered.
    Initial,
    /// The seller adjusted the stock.
    Adjusted,
    /// An order was placed.
    Reserved,
    /// An order was confirmed.
    Sold,
    /// An order was cancelled before it was confirmed, or a line of it before it was sold.
    Released,
    /// Units of a line that was sold, or that the buyer returned, are available again.
    Returned,
    /// The buyer returned a line, and its units weren't restocked.
    WrittenOff,
}

/// One change of a product's stock. The movements of a product sum to its stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    pub movement_id: MovementId,
    pub product_id: ProductId,
    pub at: Timestamp,
    pub cause: MovementCause,
    /// The order that caused the movement, if any.
    pub order_id: Option<OrderId>,
    /// The seller's reason, for an adjustment.
    pub reason: Option<String>,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}
