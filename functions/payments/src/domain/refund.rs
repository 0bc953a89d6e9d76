//! Refunds of a payment.

use super::intent::DeclineCode;
use rialto_kernel::{Amount, OrderId, RefundId, Text, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A refund, recorded in its payment before it is created at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Derived from the order and the key.
    pub refund_id: RefundId,
    /// Identifies what is refunded, at most once, such as `ord_…#rest`.
    pub key: String,
    /// The refunded line; `None` for a refund of the whole order.
    pub line_no: Option<u32>,
    /// The attempt whose success beside the capture is given back; `None` for a refund of the
    /// capture.
    #[serde(default)]
    pub attempt: Option<u32>,
    pub amount: Amount,
    /// The part of the amount that a lost dispute has paid.
    #[serde(default)]
    pub settled: Amount,
    /// The tries so far, from 1. The provider repeats its answer to a try for a day, so that each
    /// has a key of its own.
    #[serde(default = "first_try")]
    pub tries: u32,
    /// When the next try may be made, after one that was refused.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    pub state: RefundState,
    /// The provider's code, if it failed.
    pub reason: Option<DeclineCode>,
    /// How often it was recorded as issued before its present state.
    #[serde(default)]
    pub issued_before: u32,
    /// How often it was recorded as failed before its present state.
    #[serde(default)]
    pub failed_before: u32,
    /// It has failed, and another try is under way.
    #[serde(default)]
    pub retrying: bool,
    /// Why a supervisor has granted it.
    #[serde(default)]
    pub goodwill_reason: Option<GoodwillReason>,
}

/// Why a supervisor grants a refund.
pub type GoodwillReason = Text<1, 200>;

/// What a refund is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundKind {
    /// A line that was rejected, cancelled or returned.
    Line,
    /// Everything that was left when the order was cancelled.
    Order,
    /// A supervisor's goodwill.
    Goodwill,
    /// An attempt to pay that succeeded beside another.
    Attempt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundState {
    /// Recorded; it may or may not have been created at the provider.
    #[serde(rename = "BEGUN")]
    Pending,
    /// Recorded, and not sent to the provider because of a dispute.
    Waiting,
    /// The money was refunded by the provider, as far as a lost dispute hadn't paid it.
    Issued,
    /// A lost dispute has paid all of it.
    Settled,
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

/// The pause after a refund's first try, which doubles with each further one.
const FIRST_RETRY_PAUSE: Duration = Duration::from_secs(5 * 60);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

/// How long a refund waits for its dispute before the provider is asked again.
pub const DISPUTE_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

impl Refund {
    /// Whether a refund that was refused for this reason is to be tried again.
    #[must_use]
    pub fn may_be_tried_again(reason: &DeclineCode) -> bool {
        TEMPORARY_REFUSALS.contains(&reason.as_str())
    }

    /// Whether it was refused because the charge is disputed.
    #[must_use]
    pub fn is_disputed(reason: &DeclineCode) -> bool {
        reason.as_str() == "charge_disputed"
    }

    /// What the refund is for.
    #[must_use]
    pub const fn kind(&self) -> RefundKind {
        match (self.line_no, &self.goodwill_reason, self.attempt) {
            (Some(_), _, _) => RefundKind::Line,
            (None, Some(_), _) => RefundKind::Goodwill,
            (None, None, Some(_)) => RefundKind::Attempt,
            (None, None, None) => RefundKind::Order,
        }
    }

    /// The part of the amount that the provider is to pay.
    #[must_use]
    pub fn payable(&self) -> Amount {
        self.amount.minus(self.settled).unwrap_or(Amount::ZERO)
    }

    /// Whether the provider is to be asked for it, or has been and may still pay it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == RefundState::Pending || self.retrying
    }

    /// The name of the current try: `ref_…`, and from the second on `ref_…#2`.
    #[must_use]
    pub fn try_name(&self) -> String {
        match self.tries {
            0 | 1 => self.refund_id.to_string(),
            number => format!("{}#{number}", self.refund_id),
        }
    }

    /// The pause between the current try, if it is refused for now, and the next.
    #[must_use]
    pub fn retry_pause(&self) -> Duration {
        let doublings = self.tries.saturating_sub(1).min(10);
        (FIRST_RETRY_PAUSE * 2_u32.pow(doublings)).min(LONGEST_RETRY_PAUSE)
    }

    /// Whether the current try may be made.
    #[must_use]
    pub fn may_be_tried(&self, now: Timestamp) -> bool {
        self.retry_at.is_none_or(|retry_at| retry_at <= now)
    }

    /// The refund's progress by the tries that the provider has, each by its name. A try that
    /// hasn't failed decides, whatever its number. `None` if a pending refund's current try was
    /// never created and all others have failed.
    #[must_use]
    pub fn progress(
        &self,
        created: impl IntoIterator<Item = (String, RefundProgress)>,
    ) -> Option<RefundProgress> {
        let mut failure = None;
        for (name, progress) in created.into_iter().filter(|(name, _)| self.is_try(name)) {
            match progress {
                RefundProgress::Ended(RefundOutcome::Failed { .. }) => {
                    // An issued refund failed with whichever of its tries had succeeded.
                    if name == self.try_name() || self.state == RefundState::Issued {
                        failure = Some(progress);
                    }
                }
                _ => return Some(progress),
            }
        }
        failure
    }

    /// Whether this is the name of one of the refund's tries.
    fn is_try(&self, name: &str) -> bool {
        let number = name.strip_prefix(&self.refund_id.to_string());
        number.is_some_and(|number| number.is_empty() || number.starts_with('#'))
    }

    /// A refund of everything that remains of an order's payment.
    #[must_use]
    pub fn remaining(order: OrderId, amount: Amount) -> Self {
        Self::pending(order, format!("{order}#rest"), amount)
    }

    /// A refund of one line of an order.
    #[must_use]
    pub fn of_line(order: OrderId, line_no: u32, amount: Amount) -> Self {
        let pending = Self::pending(order, format!("{order}#{line_no}"), amount);
        Self { line_no: Some(line_no), ..pending }
    }

    /// A refund that a supervisor grants. Each key grants one.
    #[must_use]
    pub fn of_goodwill(
        order: OrderId,
        key_digest: &str,
        amount: Amount,
        reason: GoodwillReason,
    ) -> Self {
        let pending = Self::pending(order, format!("{order}#goodwill#{key_digest}"), amount);
        Self { goodwill_reason: Some(reason), ..pending }
    }

    /// A refund of the whole charge of an attempt that succeeded beside another.
    #[must_use]
    pub fn of_attempt(order: OrderId, attempt: u32, amount: Amount) -> Self {
        let pending = Self::pending(order, format!("{order}#attempt#{attempt}"), amount);
        Self { attempt: Some(attempt), ..pending }
    }

    fn pending(order: OrderId, key: String, amount: Amount) -> Self {
        Self {
            refund_id: RefundId::derive(&[order.to_string().as_bytes(), key.as_bytes()]),
            key,
            line_no: None,
            attempt: None,
            amount,
            settled: Amount::ZERO,
            tries: first_try(),
            retry_at: None,
            state: RefundState::Pending,
            reason: None,
            issued_before: 0,
            failed_before: 0,
            retrying: false,
            goodwill_reason: None,
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
    fn a_try_that_has_not_failed_decides_a_refund() {
        let first = Refund::remaining(OrderId::derive(&[b"o"]), Amount::new(400).unwrap());
        let second = Refund { tries: 2, ..first.clone() };
        let issued = RefundProgress::Ended(RefundOutcome::Issued);
        let failed = RefundProgress::Ended(RefundOutcome::Failed {
            reason: DeclineCode::new("expired_or_canceled_card"),
        });
        let (one, two) = (first.try_name(), second.try_name());
        let found = |tries: &[(&String, &RefundProgress)]| {
            second.progress(tries.iter().map(|&(name, progress)| (name.clone(), progress.clone())))
        };
        assert_eq!(found(&[(&one, &RefundProgress::Pending)]), Some(RefundProgress::Pending));
        assert_eq!(found(&[(&two, &failed), (&one, &issued)]), Some(issued.clone()));
        assert_eq!(found(&[(&two, &failed), (&one, &failed)]), Some(failed.clone()));
        assert_eq!(found(&[(&one, &failed)]), None);
        assert_eq!(found(&[(&format!("{one}2"), &issued)]), None);
        let reversed = Refund { state: RefundState::Issued, ..second.clone() };
        assert_eq!(reversed.progress([(one, failed.clone())]), Some(failed));
    }

    #[test]
    fn pauses_between_tries_double_up_to_six_hours() {
        let refund = Refund::remaining(OrderId::derive(&[b"o"]), Amount::new(400).unwrap());
        let minutes = |tries| Refund { tries, ..refund.clone() }.retry_pause().as_secs() / 60;
        assert_eq!([1, 2, 3, 7, 8, u32::MAX].map(minutes), [5, 10, 20, 320, 360, 360]);
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
        stored.as_object_mut().unwrap().retain(|name, _| {
            !["tries", "retry_at", "issued_before", "failed_before", "settled", "retrying"]
                .contains(&name.as_str())
        });
        assert_eq!(serde_json::from_value::<Refund>(stored).unwrap(), refund);
    }
}
