//! Events that orders publishes.

use rialto_kernel::{Amount, Currency, OrderId, ProductId, Quantity, SellerId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod lines;

pub use lines::*;

/// A line as it was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacedLine {
    /// The line's number within the order, from 1.
    pub line_no: u32,
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    /// The line's price with its part of the shipping fee: the amount to refund for the line.
    pub share: Amount,
}

/// A buyer has placed an order, which is PENDING.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderPlaced {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub lines: Vec<PlacedLine>,
    pub total: Amount,
    pub currency: Currency,
    pub payment_method: String,
    /// The deadline after which no charge is started.
    pub expires_at: Timestamp,
}

/// The order is paid and its stock reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderConfirmed {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub lines: Vec<PlacedLine>,
}

/// The reason for cancelling an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelReason {
    OutOfStock,
    PaymentFailed,
    Timeout,
    Buyer,
    /// Every line has ended without a delivery, the last one by its seller's rejection.
    Seller,
    /// A reason that this release doesn't know; never published.
    #[serde(other)]
    Other,
}

/// The order has ended, and whatever was reserved or captured for it goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderCancelled {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub reason: CancelReason,
}

/// A line of a completed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompletedLine {
    pub line_no: u32,
    pub product_id: ProductId,
    pub quantity: Quantity,
    pub state: OrderLineState,
}

/// No line of the order is open any more, and at least one was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderCompleted {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub lines: Vec<CompletedLine>,
}

crate::source! {
    Orders = "rialto.orders" {
        OrderPlaced v 1 subject order_id,
        OrderConfirmed v 1 subject order_id,
        OrderCancelled v 1 subject order_id,
        OrderCompleted v 1 subject order_id,
        OrderLineAccepted v 1 subject order_id,
        OrderLineRejected v 1 subject order_id,
        OrderLineCancelRequested v 1 subject order_id,
        OrderLineCancelRefused v 1 subject order_id,
        OrderLineCancelled v 1 subject order_id,
        OrderLineReturnRequested v 1 subject order_id,
        OrderLineReturned v 1 subject order_id,
        OrderLineReturnDeclined v 1 subject order_id,
        OrderLineSplit v 1 subject order_id,
    }
}
