//! Money on its way back to the buyer.

use super::intent::DeclineCode;
use rialto_kernel::{Amount, OrderId, RefundId};
use serde::{Deserialize, Serialize};

/// A refund, recorded in its payment before the provider is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Derived from the order and the key.
    pub refund_id: RefundId,
    /// What is refunded once, such as `ord_…#rest`.
    pub key: String,
    /// None when the refund isn't for one line.
    pub line_no: Option<u32>,
    pub amount: Amount,
    pub state: RefundState,
    /// The provider's word, when it refused.
    pub reason: Option<DeclineCode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundState {
    /// The provider may or may not have been asked for it.
    #[serde(rename = "BEGUN")]
    Pending,
    /// The money went back.
    Issued,
    /// The provider refused: a person has to look, and the money is still due.
    Failed,
}

/// A refund as the provider tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundProgress {
    /// The provider will know later.
    Pending,
    Ended(RefundEnd),
}

/// How a refund ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundEnd {
    Issued,
    Failed { reason: DeclineCode },
}

impl Refund {
    /// All that is left of an order's money.
    #[must_use]
    pub fn remaining(order: OrderId, amount: Amount) -> Self {
        let key = format!("{order}#rest");
        let refund_id = RefundId::derive(&[order.to_string().as_bytes(), key.as_bytes()]);
        Self { refund_id, key, line_no: None, amount, state: RefundState::Pending, reason: None }
    }
}
