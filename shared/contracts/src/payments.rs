//! Events that payments publishes.

use rialto_kernel::{Amount, OrderId, PaymentId, RefundId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The whole amount of an order was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentCaptured {
    pub order_id: OrderId,
    pub payment_id: PaymentId,
    pub amount: Amount,
}

/// The charge failed, and no other attempt is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentFailed {
    pub order_id: OrderId,
    /// The provider's code, such as `insufficient_funds`.
    pub reason: String,
}

/// A refund was paid to the buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundIssued {
    pub order_id: OrderId,
    pub user_id: UserId,
    /// The refunded line; null unless the refund is for a single line.
    pub line_no: Option<u32>,
    pub amount: Amount,
    pub refund_id: RefundId,
}

/// The provider rejected a refund; an operator has to resolve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundFailed {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub line_no: Option<u32>,
    pub amount: Amount,
    pub refund_id: RefundId,
}

crate::source! {
    Payments = "rialto.payments" {
        PaymentCaptured v 1 subject order_id,
        PaymentFailed v 1 subject order_id,
        RefundIssued v 1 subject order_id,
        RefundFailed v 1 subject order_id,
    }
}
