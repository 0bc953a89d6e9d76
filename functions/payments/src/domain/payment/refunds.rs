//! The refunds of a payment.

use super::{Payment, PaymentState, PaymentUpdate};
use crate::domain::{
    intent::IntentId,
    ledger::EntryKind,
    refund::{GoodwillReason, Refund, RefundKind, RefundOutcome, RefundState},
};
use rialto_contracts::{
    Event, EventContext,
    payments::{RefundFailed, RefundIssued, RefundMeans},
};
use rialto_kernel::{Amount, PlantedBug, RefundId, Timestamp};

/// The payment wasn't captured, so that nothing of it can be refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payment isn't captured, but {0:?}")]
pub struct NotCaptured(pub PaymentState);

/// The goodwill refunds that an order can have.
pub const MAX_GOODWILL_REFUNDS: usize = 20;

/// A refund for goodwill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    Now(Box<PaymentUpdate>),
    /// By an earlier request with the same key.
    Before,
}

/// Why no refund for goodwill is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GoodwillError {
    #[error(transparent)]
    NotCaptured(NotCaptured),
    #[error("no refund is granted while a dispute is open")]
    Disputed(PaymentState),
    #[error("an order can have at most {MAX_GOODWILL_REFUNDS} refunds of this kind")]
    TooMany,
    #[error("only {left} of the payment is left to refund", left = left.minor_units())]
    MoreThanLeft { left: Amount },
    #[error("Idempotency-Key already used for another request")]
    KeyReused,
}

impl Payment {
    /// Applies the end of a line that was rejected, cancelled or returned: adds a refund of
    /// `amount`, of which at most what remains of the capture is refunded, and none if that is
    /// nothing. `None` if the line was compensated before.
    ///
    /// # Errors
    /// [`NotCaptured`]: lines only end after their order was paid, so that the capture is unknown
    /// for now.
    pub fn compensate_line(
        &self,
        line_no: u32,
        amount: Amount,
        cause: &EventContext,
    ) -> Result<Option<PaymentUpdate>, NotCaptured> {
        if !self.is_captured() {
            return Err(NotCaptured(self.state));
        }
        let mut next = Self { caused_by: cause.causationid.or(self.caused_by), ..self.next() };
        if !next.compensated_lines.insert(line_no) && !PlantedBug::LineRefundedTwice.is_planted() {
            return Ok(None);
        }
        let amount = if PlantedBug::LineRefundedAboveRest.is_planted() {
            amount
        } else {
            amount.min(self.refundable())
        };
        if !amount.is_zero() {
            next.refunds.push(Refund::of_line(self.order_id, line_no, amount));
        }
        Ok(Some(self.without_event(next)))
    }

    /// Whether the charge was captured, whatever was refunded since.
    pub(super) const fn is_captured(&self) -> bool {
        use PaymentState::{Captured, PartiallyRefunded, Refunded};
        matches!(self.state, Captured | PartiallyRefunded | Refunded)
    }

    /// Grants a refund for goodwill, of at most what is left beyond what a lost dispute has taken
    /// and not yet settled.
    ///
    /// # Errors
    /// [`GoodwillError`]; nothing changes.
    pub fn grant_goodwill(
        &self,
        key_digest: &str,
        amount: Amount,
        reason: &GoodwillReason,
    ) -> Result<Granted, GoodwillError> {
        let refund = Refund::of_goodwill(self.order_id, key_digest, amount, reason.clone());
        let earlier = self.refunds.iter().find(|earlier| earlier.key == refund.key);
        if let Some(earlier) = earlier.filter(|_| !PlantedBug::GoodwillGrantedTwice.is_planted()) {
            let is_same = (earlier.amount, &earlier.goodwill_reason)
                == (refund.amount, &refund.goodwill_reason);
            return if is_same { Ok(Granted::Before) } else { Err(GoodwillError::KeyReused) };
        }
        if !self.is_captured() {
            return Err(GoodwillError::NotCaptured(NotCaptured(self.state)));
        }
        if self.has_open_dispute() && !PlantedBug::GoodwillGrantedInDispute.is_planted() {
            return Err(GoodwillError::Disputed(self.state));
        }
        let granted = self.refunds.iter().filter(|of| of.kind() == RefundKind::Goodwill).count();
        if granted >= MAX_GOODWILL_REFUNDS {
            return Err(GoodwillError::TooMany);
        }
        let left = self.refundable().minus(self.unsettled_loss(None)).unwrap_or(Amount::ZERO);
        if amount > left && !PlantedBug::GoodwillAboveLeft.is_planted() {
            return Err(GoodwillError::MoreThanLeft { left });
        }
        let mut next = self.next();
        next.refunds.push(refund);
        Ok(Granted::Now(Box::new(self.without_event(next))))
    }

    /// An open refund, with the intent that it refunds.
    #[must_use]
    pub fn unfinished_refund(&self) -> Option<(&IntentId, &Refund)> {
        let refund = self.refunds.iter().find(|refund| refund.is_open())?;
        Some((self.refunded_intent(refund)?, refund))
    }

    /// The intent that a refund gives back: the capture's, or that of another success.
    #[must_use]
    pub fn refunded_intent(&self, refund: &Refund) -> Option<&IntentId> {
        self.succeeded_intent(refund.attempt)
    }

    /// The intent of the capture, or of an attempt that succeeded beside it.
    pub(super) fn succeeded_intent(&self, attempt: Option<u32>) -> Option<&IntentId> {
        match attempt {
            Some(attempt) => self.intent_of(attempt),
            None => self.captured_intent(),
        }
    }

    /// A refund.
    #[must_use]
    pub fn refund(&self, refund_id: RefundId) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.refund_id == refund_id)
    }

    /// Records that this try of an open refund was refused at `tried_at`, and another is to follow
    /// after a pause. `None` if another has been recorded.
    #[must_use]
    pub fn retry_refund(&self, tried: &Refund, tried_at: Timestamp) -> Option<PaymentUpdate> {
        let mut next = self.next();
        let refund = next.refunds.iter_mut().find(|refund| *refund == tried)?;
        if !refund.is_open() {
            return None;
        }
        refund.retry_at = Some(tried_at.plus(refund.retry_pause()));
        refund.tries += 1;
        Some(self.without_event(next))
    }

    /// Begins another try of a failed refund, which stays due until the try succeeds. `None` unless
    /// it has failed and no try is under way.
    #[must_use]
    pub fn retry_failed_refund(
        &self,
        refund_id: RefundId,
        now: Timestamp,
    ) -> Option<PaymentUpdate> {
        let mut next = self.next();
        let refund = next.refunds.iter_mut().find(|refund| refund.refund_id == refund_id)?;
        if refund.state != RefundState::Failed || refund.retrying {
            return None;
        }
        refund.retrying = true;
        refund.retry_at = Some(now);
        refund.tries += u32::from(!PlantedBug::RetriedUnderSameKey.is_planted());
        Some(self.without_event(next))
    }

    /// Records a refund's outcome, which was read at the provider after this version was loaded; an
    /// issued refund fails if the provider takes it back, and a failed one was issued if another
    /// try succeeded. `None` if the outcome was recorded before.
    #[must_use]
    pub fn settle_refund(
        &self,
        refund_id: RefundId,
        outcome: &RefundOutcome,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        let currency = self.charge.as_ref()?.currency;
        let mut next = self.next();
        let refund = next.refunds.iter_mut().find(|refund| refund.refund_id == refund_id)?;
        let twice = PlantedBug::RefundSettledTwice.is_planted();
        let kind = match (refund.state, outcome) {
            (RefundState::Pending | RefundState::Waiting, RefundOutcome::Issued) => {
                EntryKind::RefundIssued
            }
            (RefundState::Pending, RefundOutcome::Failed { .. }) => EntryKind::RefundFailed,
            (RefundState::Issued, RefundOutcome::Failed { .. }) => EntryKind::RefundReversed,
            (RefundState::Failed, RefundOutcome::Issued) => EntryKind::DueRefundIssued,
            (RefundState::Issued, RefundOutcome::Issued) if twice => EntryKind::RefundIssued,
            (RefundState::Failed, RefundOutcome::Failed { reason }) if refund.retrying => {
                (refund.retrying, refund.retry_at) = (false, None);
                refund.reason = Some(reason.clone());
                return Some(self.without_event(next));
            }
            (RefundState::Issued, RefundOutcome::Issued)
            | (RefundState::Waiting | RefundState::Failed, RefundOutcome::Failed { .. })
            | (RefundState::Settled, _) => return None,
        };
        let (order_id, user_id, amount, line_no) =
            (self.order_id, self.user_id, refund.payable(), refund.line_no);
        (refund.retrying, refund.retry_at) = (false, None);
        let event = match outcome {
            RefundOutcome::Issued => {
                refund.failed_before += u32::from(refund.state == RefundState::Failed);
                refund.state = RefundState::Issued;
                refund.reason = None;
                let by = RefundMeans::Provider;
                let issued = RefundIssued { order_id, user_id, line_no, amount, refund_id, by };
                Event::new(&issued, next.version, 0, now, cause)
            }
            RefundOutcome::Failed { reason } => {
                refund.issued_before += u32::from(refund.state == RefundState::Issued);
                refund.state = RefundState::Failed;
                refund.reason = Some(reason.clone());
                let failed = RefundFailed { order_id, user_id, line_no, amount, refund_id };
                Event::new(&failed, next.version, 0, now, cause)
            }
        };
        next.state = next.refunded_state();
        let entry = next.entry(kind, Some(refund_id), currency, amount, now);
        Some(PaymentUpdate {
            expected: Some(self.version),
            entry: Some(entry).filter(|_| !PlantedBug::RefundNotInLedger.is_planted()),
            events: vec![event],
            payment: next,
        })
    }

    /// The state of a captured payment, by what was given back.
    pub(super) fn refunded_state(&self) -> PaymentState {
        let returned = self.refunded().minor_units() + self.settled().minor_units();
        match returned {
            0 => PaymentState::Captured,
            all if all == self.captured.minor_units() => PaymentState::Refunded,
            _ => PaymentState::PartiallyRefunded,
        }
    }

    /// The sum of what the provider has refunded.
    #[must_use]
    pub fn refunded(&self) -> Amount {
        self.payable(RefundState::Issued)
    }

    /// The sum of failed refunds.
    #[must_use]
    pub fn refund_due(&self) -> Amount {
        self.payable(RefundState::Failed)
    }

    /// The sum of refunds that wait because of a dispute.
    #[must_use]
    pub fn waiting(&self) -> Amount {
        self.payable(RefundState::Waiting)
    }

    /// The sum of what lost disputes have paid of refunds.
    #[must_use]
    pub fn settled(&self) -> Amount {
        self.sum(self.refunds_of_capture().map(|refund| refund.settled))
    }

    /// The amount that can still be refunded: captured, less all refunds.
    #[must_use]
    pub fn refundable(&self) -> Amount {
        let counted = |_: &&Refund| !PlantedBug::RefundedTwice.is_planted();
        let refunds = self.refunds_of_capture().filter(counted);
        let refunds = self.sum(refunds.map(|refund| refund.amount));
        self.captured.minus(refunds).unwrap_or(Amount::ZERO)
    }

    /// The sum of what the provider pays of the refunds in a state.
    fn payable(&self, state: RefundState) -> Amount {
        let in_state = self.refunds_of_capture().filter(|refund| refund.state == state);
        self.sum(in_state.map(Refund::payable))
    }

    fn refunds_of_capture(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.attempt.is_none())
    }

    fn sum(&self, amounts: impl Iterator<Item = Amount>) -> Amount {
        // Refunds never exceed the captured amount, so the sum can't overflow.
        Amount::sum(amounts).unwrap_or(self.captured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::intent::{ChargeOutcome, DeclineCode},
        fixtures::{NOW, captured, pending, processing, refunding},
    };

    fn cancel(payment: &Payment) -> Option<Payment> {
        payment.cancel(&EventContext::default()).map(|change| change.payment)
    }

    fn kinds(change: &PaymentUpdate) -> Vec<&str> {
        change.events.iter().map(|event| event.kind.as_str()).collect()
    }

    fn settle_refund(payment: &Payment, outcome: &RefundOutcome) -> Option<PaymentUpdate> {
        let refund = payment.refunds[0].refund_id;
        payment.settle_refund(refund, outcome, NOW, &EventContext::default())
    }

    #[test]
    fn a_cancelled_order_is_refunded_once() {
        let payment = refunding();
        assert_eq!((payment.refundable(), cancel(&payment)), (Amount::ZERO, None));
        let refund = &payment.refunds[0];
        assert_eq!(refund.key, format!("{}#rest", payment.order_id));

        let issued = settle_refund(&payment, &RefundOutcome::Issued).unwrap();
        assert_eq!(
            (issued.payment.state, kinds(&issued)),
            (PaymentState::Refunded, vec!["RefundIssued"])
        );
        assert_eq!(issued.payment.refunded(), issued.payment.captured);
        assert_eq!(settle_refund(&issued.payment, &RefundOutcome::Issued), None);
        assert_eq!(cancel(&issued.payment), None);
    }

    #[test]
    fn a_failed_refund_stays_due() {
        let payment = refunding();
        let outcome = RefundOutcome::Failed { reason: DeclineCode::new("charge_disputed") };
        let failed = settle_refund(&payment, &outcome).unwrap();
        assert_eq!(
            (failed.payment.state, kinds(&failed)),
            (PaymentState::Captured, vec!["RefundFailed"])
        );
        let payment = failed.payment;
        assert_eq!(
            (payment.refunded(), payment.refund_due(), payment.refundable()),
            (Amount::ZERO, payment.captured, Amount::ZERO)
        );
        assert_eq!(settle_refund(&payment, &outcome), None);
    }

    #[test]
    fn a_failed_refund_is_issued_if_another_try_succeeded() {
        let outcome = RefundOutcome::Failed { reason: DeclineCode::new("charge_disputed") };
        let failed = settle_refund(&refunding(), &outcome).unwrap().payment;
        let issued = settle_refund(&failed, &RefundOutcome::Issued).unwrap();
        assert_eq!(kinds(&issued), ["RefundIssued"]);
        assert_eq!(issued.entry.as_ref().unwrap().kind, EntryKind::DueRefundIssued);
        let payment = issued.payment;
        assert_eq!((payment.state, payment.refund_due()), (PaymentState::Refunded, Amount::ZERO));
        assert_eq!(payment.refunds[0].reason, None);
        assert_eq!(settle_refund(&payment, &RefundOutcome::Issued), None);
    }

    #[test]
    fn a_refund_that_is_taken_back_is_due_again() {
        let issued = settle_refund(&refunding(), &RefundOutcome::Issued).unwrap().payment;
        let reason = DeclineCode::new("expired_or_canceled_card");
        let outcome = RefundOutcome::Failed { reason: reason.clone() };
        let reversed = settle_refund(&issued, &outcome).unwrap();
        assert_eq!(kinds(&reversed), ["RefundFailed"]);
        assert_eq!(reversed.entry.as_ref().unwrap().kind, EntryKind::RefundReversed);
        let payment = reversed.payment;
        assert_eq!(
            (&payment.refunds[0].reason, payment.refunds[0].issued_before),
            (&Some(reason), 1)
        );
        assert_eq!(
            (payment.state, payment.refunded(), payment.refund_due()),
            (PaymentState::Captured, Amount::ZERO, payment.captured)
        );
        assert_eq!(settle_refund(&payment, &outcome), None);
    }

    #[test]
    fn a_refused_try_of_a_refund_is_followed_by_another() {
        let payment = refunding();
        let tried = payment.refunds[0].clone();
        let retried = payment.retry_refund(&tried, NOW).unwrap();
        assert_eq!(retried.payment.deadline(), Some(NOW.plus(tried.retry_pause())));
        assert_eq!((retried.payment.refunds[0].tries, kinds(&retried).len()), (2, 0));
        assert!(retried.payment.unfinished_refund().is_some());
        assert_eq!(retried.payment.retry_refund(&tried, NOW), None);
        let issued = settle_refund(&payment, &RefundOutcome::Issued).unwrap().payment;
        assert_eq!(issued.retry_refund(&issued.refunds[0], NOW), None);
    }

    #[test]
    fn earlier_refunds_are_not_refunded_again() {
        let mut payment = captured();
        payment.refunds.push(Refund {
            refund_id: RefundId::derive(&[b"line"]),
            line_no: Some(1),
            state: RefundState::Issued,
            ..Refund::remaining(payment.order_id, Amount::new(300).unwrap())
        });
        payment.state = PaymentState::PartiallyRefunded;
        let payment = cancel(&payment).unwrap();
        assert_eq!(payment.refunds[1].amount.minor_units(), 2_200);
        let refund = payment.refunds[1].refund_id;
        let issued = payment
            .settle_refund(refund, &RefundOutcome::Issued, NOW, &EventContext::default())
            .unwrap();
        assert_eq!(issued.payment.state, PaymentState::Refunded);
    }

    fn compensate(payment: &Payment, line_no: u32, amount: i64) -> Option<Payment> {
        let amount = Amount::new(amount).unwrap();
        let change = payment.compensate_line(line_no, amount, &EventContext::default()).unwrap();
        change.map(|change| change.payment)
    }

    fn amounts(payment: &Payment) -> Vec<(Option<u32>, i64)> {
        let refunds = payment.refunds.iter();
        refunds.map(|refund| (refund.line_no, refund.amount.minor_units())).collect()
    }

    #[test]
    fn a_line_is_compensated_once() {
        let payment = compensate(&captured(), 2, 700).unwrap();
        assert_eq!(amounts(&payment), [(Some(2), 700)]);
        assert_eq!(payment.refunds[0].key, format!("{}#2", payment.order_id));
        assert_eq!(payment.refundable().minor_units(), 1_800);
        assert_eq!(compensate(&payment, 2, 700), None);

        let issued = settle_refund(&payment, &RefundOutcome::Issued).unwrap();
        assert_eq!(issued.payment.state, PaymentState::PartiallyRefunded);
        assert_eq!(compensate(&issued.payment, 2, 700), None);
        let rest = cancel(&issued.payment).unwrap();
        assert_eq!(amounts(&rest), [(Some(2), 700), (None, 1_800)]);
    }

    #[test]
    fn a_line_without_a_refund_is_recorded_as_compensated() {
        let nothing = compensate(&captured(), 1, 0).unwrap();
        assert_eq!((amounts(&nothing), nothing.compensated_lines.len()), (vec![], 1));
        assert_eq!(nothing.deadline(), None);
        assert_eq!(compensate(&nothing, 1, 900), None);
    }

    #[test]
    fn a_line_is_never_refunded_above_what_is_left() {
        let payment = compensate(&captured(), 1, 2_000).unwrap();
        let payment = compensate(&payment, 2, 2_000).unwrap();
        assert_eq!(amounts(&payment), [(Some(1), 2_000), (Some(2), 500)]);
        let after_cancellation = compensate(&refunding(), 1, 2_000).unwrap();
        assert_eq!(amounts(&after_cancellation), [(None, 2_500)]);
        assert_eq!(compensate(&after_cancellation, 1, 2_000), None);
    }

    #[test]
    fn a_line_is_not_compensated_before_the_capture() {
        let voided = cancel(&pending()).unwrap();
        let reason = DeclineCode::new("insufficient_funds");
        let declined = ChargeOutcome::Failed { reason };
        let failed = processing().settle(&declined, NOW, &EventContext::default()).unwrap().payment;
        for payment in [pending(), processing(), voided, failed] {
            assert_eq!(
                payment.compensate_line(1, payment.captured, &EventContext::default()),
                Err(NotCaptured(payment.state))
            );
        }
    }
}
