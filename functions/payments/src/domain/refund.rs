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
    /// The tries so far, from 1. The provider repeats its answer to a try for a day, so that each
    /// has a key of its own.
    #[serde(default = "first_try")]
    pub tries: u32,
    pub state: RefundState,
    /// The provider's code, if it failed.
    pub reason: Option<DeclineCode>,
    /// It was issued before it failed.
    #[serde(default)]
    pub reversed: bool,
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

const fn first_try() -> u32 {
    1
}

/// The provider's codes of refusals that end by themselves.
const TEMPORARY_REFUSALS: [&str; 1] = ["balance_insufficient"];

impl Refund {
    /// Whether a refund that was refused for this reason is to be tried again.
    #[must_use]
    pub fn may_be_tried_again(reason: &DeclineCode) -> bool {
        TEMPORARY_REFUSALS.contains(&reason.as_str())
    }

    /// The name of the current try: `ref_…`, and from the second on `ref_…#2`.
    #[must_use]
    pub fn try_name(&self) -> String {
        match self.tries {
            0 | 1 => self.refund_id.to_string(),
            number => format!("{}#{number}", self.refund_id),
        }
    }

    /// A refund of everything that remains of an order's payment.
    #[must_use]
    pub fn remaining(order: OrderId, amount: Amount) -> Self {
        let key = format!("{order}#rest");
        let refund_id = RefundId::derive(&[order.to_string().as_bytes(), key.as_bytes()]);
        Self {
            refund_id,
            key,
            line_no: None,
            amount,
            tries: first_try(),
            state: RefundState::Pending,
            reason: None,
            reversed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_has_a_name_of_its_own() {
        let order = OrderId::derive(&[b"o"]);
        let first = Refund::remaining(order, Amount::new(400).unwrap());
        assert_eq!(first.try_name(), first.refund_id.to_string());
        let second = Refund { tries: 2, ..first.clone() };
        assert_eq!(second.try_name(), format!("{}#2", first.refund_id));
    }

    #[test]
    fn only_a_lack_of_balance_is_tried_again() {
        assert!(Refund::may_be_tried_again(&DeclineCode::new("balance_insufficient")));
        assert!(!Refund::may_be_tried_again(&DeclineCode::new("charge_disputed")));
    }

    #[test]
    fn a_refund_stored_without_tries_is_at_its_first() {
        let refund = Refund::remaining(OrderId::derive(&[b"o"]), Amount::new(400).unwrap());
        let mut stored = serde_json::to_value(&refund).unwrap();
        stored.as_object_mut().unwrap().retain(|name, _| name != "tries" && name != "reversed");
        assert_eq!(serde_json::from_value::<Refund>(stored).unwrap(), refund);
    }
}
