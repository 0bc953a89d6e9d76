//! Refunds of a payment.

use super::intent::DeclineCode;
use rialto_kernel::{Amount, OrderId, RefundId};
use serde::{Deserialize, Serialize};

/// A refund, recorded in its payment before it is created at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Derived from the order and the key.
    pub refund_id: RefundId,
    /// Identifies what is refunded, at most once, such as `ord_…#rest`.
    pub key: String,
    /// The refunded line; `None` for a refund of the whole order.
    pub line_no: Option<u32>,
    pub amount: Amount,
    pub state: RefundState,
    /// The provider's code, if it refused.
    pub reason: Option<DeclineCode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundState {
    /// Recorded; it may or may not have been created at the provider.
    #[serde(rename = "BEGUN")]
    Pending,
    /// The money was refunded.
    Issued,
    /// The provider refused: the money is still due, and someone has to intervene.
    Failed,
}

/// The state of a refund at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundProgress {
    /// The provider decides later.
    Pending,
    Ended(RefundOutcome),
}

/// The final outcome of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    Issued,
    Failed { reason: DeclineCode },
}

impl Refund {
    /// A refund of everything that remains of an order's payment.
    #[must_use]
    pub fn remaining(order: OrderId, amount: Amount) -> Self {
        let key = format!("{order}#rest");
        let refund_id = RefundId::derive(&[order.to_string().as_bytes(), key.as_bytes()]);
        Self { refund_id, key, line_no: None, amount, state: RefundState::Pending, reason: None }
    }
}
