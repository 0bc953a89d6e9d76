//! Events that payments publishes.

use rialto_kernel::{Amount, OrderId, PaymentId, RefundId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The whole amount of an order was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentCaptured {
    pub order_id: OrderId,
    pub payment_id: PaymentId,
    pub amount: Amount,
}

/// An attempt to charge the order failed. Without `retry_until` it was the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentFailed {
    pub order_id: OrderId,
    /// The provider's code, such as `insufficient_funds`; `expired` if the time to pay was over.
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The number of the attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Until when the buyer may pay with another payment method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_until: Option<Timestamp>,
}

/// The buyer has to authenticate the payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentActionRequired {
    pub order_id: OrderId,
    pub user_id: UserId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// How a refund was paid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundMeans {
    /// By the provider, to the buyer's payment method.
    #[default]
    Provider,
    /// By a lost dispute, which had taken the money before.
    Dispute,
    /// A means that this release doesn't know; never published.
    #[serde(other)]
    Other,
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
    #[serde(default)]
    pub by: RefundMeans,
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

/// The state of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisputeState {
    Open,
    Won,
    Lost,
    /// A state that this release doesn't know; never published.
    #[serde(other)]
    Other,
}

/// The buyer's bank disputes the charge. No refund is paid while the dispute is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisputeOpened {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub payment_id: PaymentId,
    /// The provider's id of the dispute.
    pub dispute_id: String,
    pub amount: Amount,
    pub state: DisputeState,
}

/// A dispute was won or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisputeClosed {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub payment_id: PaymentId,
    pub dispute_id: String,
    pub amount: Amount,
    pub state: DisputeState,
}

crate::source! {
    Payments = "rialto.payments" {
        PaymentCaptured v 1 subject order_id,
        PaymentFailed v 1 subject order_id,
        PaymentActionRequired v 1 subject order_id,
        RefundIssued v 1 subject order_id,
        RefundFailed v 1 subject order_id,
        DisputeOpened v 1 subject order_id,
        DisputeClosed v 1 subject order_id,
    }
}
