//! The charge of a payment: what may happen to it, and how it ends.

use super::{Payment, PaymentState, PaymentUpdate};
use crate::domain::{
    intent::{ChargeOutcome, DeclineCode, IntentId},
    ledger::EntryKind,
    refund::Refund,
};
use rialto_contracts::{
    Event, EventContext,
    payments::{PaymentActionRequired, PaymentCaptured},
};
use rialto_kernel::{PlantedBug, Timestamp};

/// The reason of a charge that was cancelled because its time was over.
const EXPIRED: &str = "expired";

impl Payment {
    /// Whether the order may still be charged.
    #[must_use]
    pub fn may_charge(&self, now: Timestamp) -> bool {
        let in_time = self.charge.as_ref().is_some_and(|charge| {
            now < charge.expires_at || PlantedBug::ChargedAfterDeadline.is_planted()
        });
        in_time && !self.cancel_requested
    }

    /// Whether the charge was started and hasn't ended.
    #[must_use]
    pub const fn is_charging(&self) -> bool {
        matches!(self.state, PaymentState::Processing | PaymentState::RequiresAction)
    }

    /// Whether the started charge may go on: be confirmed, or authenticated by the buyer.
    #[must_use]
    pub fn may_go_on(&self, now: Timestamp) -> bool {
        self.is_charging() && self.may_charge(now)
    }

    /// Whether the charge is left to the buyer, who has to authenticate it.
    #[must_use]
    pub fn waits_for_buyer(&self, now: Timestamp) -> bool {
        self.state == PaymentState::RequiresAction && self.may_charge(now)
    }

    /// Records the created, unconfirmed intent. `None` unless the payment is PENDING.
    #[must_use]
    pub fn record_intent(&self, intent: &IntentId, now: Timestamp) -> Option<PaymentUpdate> {
        if self.state != PaymentState::Pending {
            return None;
        }
        let processing = Self {
            state: PaymentState::Processing,
            intent_id: Some(intent.clone()),
            since: Some(now),
            ..self.next()
        };
        Some(self.without_event(processing))
    }

    /// Records that the buyer has to authenticate the charge, which is published once. `None`
    /// unless the payment is PROCESSING and its order not cancelled.
    #[must_use]
    pub fn require_action(&self, now: Timestamp, cause: &EventContext) -> Option<PaymentUpdate> {
        if self.state != PaymentState::Processing || self.cancel_requested {
            return None;
        }
        let waiting =
            Self { state: PaymentState::RequiresAction, action_required: true, ..self.next() };
        let payload = PaymentActionRequired {
            order_id: self.order_id,
            user_id: self.user_id,
            attempt: self.attempt(),
        };
        let event = Event::new(&payload, waiting.version, 0, now, cause);
        let events = if self.action_required { Vec::new() } else { vec![event] };
        Some(PaymentUpdate { events, ..self.without_event(waiting) })
    }

    /// Records that the provider goes on with a charge that the buyer has authenticated. `None`
    /// unless the payment is REQUIRES_ACTION.
    #[must_use]
    pub fn resume_processing(&self) -> Option<PaymentUpdate> {
        let processing = Self { state: PaymentState::Processing, ..self.next() };
        let waits = self.state == PaymentState::RequiresAction;
        waits.then(|| self.without_event(processing))
    }

    /// Records the outcome of an attempt's charge. One that was followed by another can only
    /// succeed: its failure was recorded before. `None` if the outcome was.
    #[must_use]
    pub fn settle_intent(
        &self,
        intent: &IntentId,
        outcome: &ChargeOutcome,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        match self.attempt_of(intent)? {
            current if current == self.attempt() => self.settle(outcome, now, cause),
            earlier if *outcome == ChargeOutcome::Captured => self.succeed(earlier, now, cause),
            _ => None,
        }
    }

    /// Records the outcome of the current attempt, and in the same write the refund of a cancelled
    /// order's capture. `None` if the outcome was recorded before.
    #[must_use]
    pub fn settle(
        &self,
        outcome: &ChargeOutcome,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        use PaymentState::{Pending, Processing, RequiresAction};
        match (outcome, self.state) {
            (ChargeOutcome::Captured, Pending) => None,
            (ChargeOutcome::Captured, _) => self.succeed(self.attempt(), now, cause),
            (ChargeOutcome::Failed { reason }, Pending | Processing | RequiresAction) => {
                Some(self.fail(reason, now, cause))
            }
            // Nobody but payments cancels, and only what is out of time or cancelled.
            (ChargeOutcome::Canceled, Processing | RequiresAction) => {
                let in_time = self.charge.as_ref().is_some_and(|charge| now < charge.expires_at);
                let reason = DeclineCode::new(if in_time { "canceled" } else { EXPIRED });
                Some(self.fail(&reason, now, cause))
            }
            _ => None,
        }
    }

    /// Records the success of an attempt: the capture, unless there is another.
    fn succeed(&self, attempt: u32, now: Timestamp, cause: &EventContext) -> Option<PaymentUpdate> {
        if !self.is_captured() {
            return self.capture(attempt, now, cause);
        }
        let captured = self.captured_attempt.unwrap_or_else(|| self.attempt());
        match attempt == captured {
            true if PlantedBug::CapturedTwice.is_planted() => self.capture(attempt, now, cause),
            true => None,
            false if PlantedBug::SecondSuccessIgnored.is_planted() => None,
            false => self.capture_surplus(attempt, now),
        }
    }

    fn capture(&self, attempt: u32, now: Timestamp, cause: &EventContext) -> Option<PaymentUpdate> {
        let charge = self.charge.as_ref()?;
        // PaymentFailed without a time to pay again was published: a PaymentCaptured that arrives
        // before it would confirm the order.
        let has_failed = self.state == PaymentState::Failed && self.retry_until.is_none();
        let mut captured = Self {
            state: PaymentState::Captured,
            captured: charge.total,
            captured_attempt: Some(attempt),
            capture_published: Some(!has_failed),
            retry_until: None,
            ..self.next()
        };
        let marked = self.cancel_requested && !PlantedBug::MarkNotReadAtCapture.is_planted();
        if marked || has_failed || self.state == PaymentState::Voided {
            captured.refunds.push(Refund::remaining(self.order_id, charge.total));
        }
        let payload = PaymentCaptured {
            order_id: self.order_id,
            payment_id: self.payment_id,
            amount: charge.total,
        };
        let event = Event::new(&payload, captured.version, 0, now, cause);
        let events = if has_failed { Vec::new() } else { vec![event] };
        let entry = captured.entry(EntryKind::Captured, None, charge.currency, charge.total, now);
        Some(PaymentUpdate {
            expected: Some(self.version),
            entry: Some(entry),
            events,
            payment: captured,
        })
    }

    fn fail(&self, reason: &DeclineCode, now: Timestamp, cause: &EventContext) -> PaymentUpdate {
        let failed = Self { reason: Some(reason.clone()), ..self.next() };
        if self.cancel_requested && !PlantedBug::DeclineOfCancelledPublished.is_planted() {
            return self.without_event(Self { state: PaymentState::Voided, ..failed });
        }
        let retry_until = self.next_retry_until(now);
        let failed = Self { state: PaymentState::Failed, retry_until, ..failed };
        let events = vec![failed.failure(now, cause)];
        PaymentUpdate { payment: failed, expected: Some(self.version), entry: None, events }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::payment::Payment,
        fixtures::{EXPIRES_AT, NOW, captured, pending, processing},
    };
    use rialto_kernel::Timestamp;

    fn settle(payment: &Payment, outcome: &ChargeOutcome) -> Option<PaymentUpdate> {
        payment.settle(outcome, NOW, &EventContext::default())
    }

    fn cancel(payment: &Payment) -> Option<Payment> {
        payment.cancel(&EventContext::default()).map(|change| change.payment)
    }

    fn require_action(payment: &Payment) -> Option<PaymentUpdate> {
        payment.require_action(NOW, &EventContext::default())
    }

    fn waiting() -> Payment {
        require_action(&processing()).unwrap().payment
    }

    fn declined() -> ChargeOutcome {
        ChargeOutcome::Failed { reason: DeclineCode::new("insufficient_funds") }
    }

    fn kinds(change: &PaymentUpdate) -> Vec<&str> {
        change.events.iter().map(|event| event.kind.as_str()).collect()
    }

    #[test]
    fn a_charge_is_settled_once() {
        let captured = settle(&processing(), &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&captured), ["PaymentCaptured"]);
        assert_eq!(captured.payment.captured.minor_units(), 2_500);
        assert_eq!(captured.entry.as_ref().unwrap().payment_version, captured.payment.version);
        assert_eq!(settle(&captured.payment, &ChargeOutcome::Captured), None);
        assert_eq!(settle(&captured.payment, &declined()), None);

        let failed = settle(&processing(), &declined()).unwrap();
        assert_eq!(
            (failed.payment.state, kinds(&failed)),
            (PaymentState::Failed, vec!["PaymentFailed"])
        );
        assert_eq!(failed.entry, None);
        assert_eq!(settle(&failed.payment, &declined()), None);
    }

    #[test]
    fn only_a_started_charge_is_captured() {
        assert_eq!(settle(&pending(), &ChargeOutcome::Captured), None);
        assert_eq!(processing().record_intent(&IntentId::parse("pi_2").unwrap(), NOW), None);
    }

    #[test]
    fn no_charge_is_allowed_after_deadline_or_cancellation() {
        assert!(processing().may_charge(Timestamp::from_millis(1_999)));
        assert!(!processing().may_charge(EXPIRES_AT));
        assert!(!cancel(&processing()).unwrap().may_charge(NOW));
    }

    #[test]
    fn only_an_open_started_charge_may_go_on() {
        assert!(processing().may_go_on(NOW));
        assert!(!processing().may_go_on(EXPIRES_AT));
        assert!(!cancel(&processing()).unwrap().may_go_on(NOW));
        assert!(!pending().may_go_on(NOW));
        assert!(!settle(&processing(), &declined()).unwrap().payment.may_go_on(NOW));
    }

    #[test]
    fn a_cancellation_during_a_charge_decides_its_outcome() {
        let marked = cancel(&processing()).unwrap();
        assert_eq!((marked.state, cancel(&marked)), (PaymentState::Processing, None));

        let failed = settle(&marked, &declined()).unwrap();
        assert_eq!((failed.payment.state, failed.events), (PaymentState::Voided, vec![]));

        let captured = settle(&marked, &ChargeOutcome::Captured).unwrap();
        assert_eq!(
            (captured.payment.state, kinds(&captured)),
            (PaymentState::Captured, vec!["PaymentCaptured"])
        );
        assert_eq!(captured.payment.unfinished_refund().unwrap().1.amount.minor_units(), 2_500);
        assert_eq!(cancel(&captured.payment), None);
    }

    #[test]
    fn a_capture_after_a_failure_is_recorded_with_its_refund() {
        let voided = settle(&cancel(&processing()).unwrap(), &declined()).unwrap().payment;
        let captured = settle(&voided, &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&captured), ["PaymentCaptured"]);
        assert!(captured.payment.unfinished_refund().is_some());

        let failed = settle(&processing(), &declined()).unwrap().payment;
        let captured = settle(&failed, &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&captured), [""; 0]);
        assert!(captured.payment.unfinished_refund().is_some());
    }

    #[test]
    fn the_buyers_action_is_required_once_an_attempt() {
        let required = require_action(&processing()).unwrap();
        assert_eq!(
            (required.payment.state, kinds(&required)),
            (PaymentState::RequiresAction, vec!["PaymentActionRequired"])
        );
        assert_eq!(require_action(&required.payment), None);
        assert_eq!(required.payment.deadline(), processing().deadline());

        let resumed = required.payment.resume_processing().unwrap();
        assert_eq!((resumed.payment.state, kinds(&resumed).len()), (PaymentState::Processing, 0));
        assert_eq!(resumed.payment.resume_processing(), None);
        let again = require_action(&resumed.payment).unwrap();
        assert_eq!((again.payment.state, kinds(&again).len()), (PaymentState::RequiresAction, 0));
    }

    #[test]
    fn no_action_is_required_of_an_ended_or_cancelled_charge() {
        for payment in [pending(), captured(), cancel(&processing()).unwrap()] {
            assert_eq!(require_action(&payment), None);
        }
    }

    #[test]
    fn a_charge_waits_for_the_buyer_until_deadline_or_cancellation() {
        assert!(waiting().waits_for_buyer(NOW) && waiting().may_go_on(NOW));
        assert!(!waiting().waits_for_buyer(EXPIRES_AT));
        let marked = cancel(&waiting()).unwrap();
        assert_eq!((marked.state, cancel(&marked)), (PaymentState::RequiresAction, None));
        assert!(!marked.waits_for_buyer(NOW) && !marked.may_go_on(NOW));
        assert!(!processing().waits_for_buyer(NOW));
    }

    #[test]
    fn a_charge_that_waits_for_the_buyer_is_settled_once() {
        let captured = settle(&waiting(), &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&captured), ["PaymentCaptured"]);
        assert_eq!(captured.payment.refunds, []);
        let failed = settle(&waiting(), &declined()).unwrap();
        assert_eq!(kinds(&failed), ["PaymentFailed"]);

        let marked = cancel(&waiting()).unwrap();
        let voided = settle(&marked, &ChargeOutcome::Canceled).unwrap();
        assert_eq!((voided.payment.state, kinds(&voided).len()), (PaymentState::Voided, 0));
        let captured = settle(&marked, &ChargeOutcome::Captured).unwrap();
        assert!(captured.payment.unfinished_refund().is_some());
        // The action came after all.
        let late = settle(&voided.payment, &ChargeOutcome::Captured).unwrap();
        assert!(late.payment.unfinished_refund().is_some());
        assert_eq!(settle(&late.payment, &ChargeOutcome::Captured), None);
    }

    #[test]
    fn a_charge_cancelled_after_its_deadline_has_expired() {
        for payment in [processing(), waiting()] {
            for (now, reason) in [(NOW, "canceled"), (EXPIRES_AT, "expired")] {
                let cause = EventContext::default();
                let failed = payment.settle(&ChargeOutcome::Canceled, now, &cause).unwrap();
                assert_eq!(kinds(&failed), ["PaymentFailed"]);
                assert_eq!(failed.events[0].data["reason"], reason);
                assert_eq!(failed.payment.reason, Some(DeclineCode::new(reason)));
            }
        }
        assert_eq!(settle(&pending(), &ChargeOutcome::Canceled), None);
        assert_eq!(settle(&captured(), &ChargeOutcome::Canceled), None);
    }
}
