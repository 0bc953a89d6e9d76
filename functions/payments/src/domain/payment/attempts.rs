//! The attempts to charge an order: one after another, until one succeeds or the last has failed.

use super::{Payment, PaymentState, PaymentUpdate};
use crate::domain::{
    intent::{DeclineCode, IntentId},
    ledger::EntryKind,
    refund::Refund,
};
use rialto_contracts::{Event, EventContext, payments::PaymentFailed};
use rialto_kernel::{Timestamp, digest};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The attempts that a payment may have.
pub const MAX_PAYMENT_ATTEMPTS: u32 = 10;
/// The time after which the sweep takes an attempt further.
pub(super) const ATTEMPT_PAUSE: Duration = Duration::from_secs(60);

/// An attempt that failed, and was followed by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    pub payment_method: String,
    /// `None` if the provider refused to create an intent.
    pub intent_id: Option<IntentId>,
    pub reason: Option<DeclineCode>,
    /// PaymentActionRequired was published.
    pub action_required: bool,
    pub key: Option<AttemptKey>,
}

/// Digests of the request that began an attempt: of its Idempotency-Key, and of its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptKey {
    pub key: String,
    pub body: String,
}

impl AttemptKey {
    #[must_use]
    pub fn of(idempotency_key: &str, payment_method: &str) -> Self {
        let hash = |text: &str| digest::hex(&digest::sha256(&[text.as_bytes()]));
        Self { key: hash(idempotency_key), body: hash(payment_method) }
    }
}

impl Payment {
    /// The number of the current attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.failed_attempts.len()).map_or(u32::MAX, |earlier| earlier + 1)
    }

    /// The number of the attempt with this intent.
    #[must_use]
    pub fn attempt_of(&self, intent: &IntentId) -> Option<u32> {
        if self.intent_id.as_ref() == Some(intent) {
            return Some(self.attempt());
        }
        let mut earlier = (1..).zip(&self.failed_attempts);
        let found = earlier.find(|(_, attempt)| attempt.intent_id.as_ref() == Some(intent));
        found.map(|(number, _)| number)
    }

    /// The intent of an attempt.
    #[must_use]
    pub fn intent_of(&self, attempt: u32) -> Option<&IntentId> {
        let earlier = attempt.checked_sub(1).and_then(|at| usize::try_from(at).ok());
        match earlier.and_then(|at| self.failed_attempts.get(at)) {
            Some(earlier) => earlier.intent_id.as_ref(),
            None => self.intent_id.as_ref().filter(|_| attempt == self.attempt()),
        }
    }

    /// The intent of the capture, or of the attempt that may become it.
    #[must_use]
    pub fn captured_intent(&self) -> Option<&IntentId> {
        self.intent_of(self.captured_attempt.unwrap_or_else(|| self.attempt()))
    }

    /// Whether the success of an attempt was recorded, as the capture or beside it.
    #[must_use]
    pub fn has_success_of(&self, intent: &IntentId) -> bool {
        let is_capture = self.is_captured() && self.captured_intent() == Some(intent);
        let attempt = self.attempt_of(intent);
        let beside = |refund: &Refund| refund.attempt.is_some() && refund.attempt == attempt;
        is_capture || self.refunds.iter().any(beside)
    }

    /// The attempt that was begun under an Idempotency-Key.
    #[must_use]
    pub fn begun_under(&self, key: &AttemptKey) -> Option<&AttemptKey> {
        let earlier = self.failed_attempts.iter().filter_map(|attempt| attempt.key.as_ref());
        earlier.chain(&self.attempt_key).find(|begun| begun.key == key.key)
    }

    /// Whether the buyer may pay again.
    #[must_use]
    pub fn may_pay_again(&self, now: Timestamp) -> bool {
        self.state == PaymentState::Failed && self.retry_until.is_some_and(|until| now < until)
    }

    /// Until when the buyer may pay again after an attempt that fails now; `None` if it was the
    /// last.
    pub(super) fn next_retry_until(&self, now: Timestamp) -> Option<Timestamp> {
        let expires_at = self.charge.as_ref()?.expires_at;
        let until = now.plus(Duration::from_secs(self.retry_window)).min(expires_at);
        let may = until > now && self.attempt() < MAX_PAYMENT_ATTEMPTS;
        may.then_some(until)
    }

    /// Begins a further attempt with another payment method. `None` if the buyer can't pay again.
    #[must_use]
    pub fn pay_again(
        &self,
        payment_method: &str,
        key: AttemptKey,
        now: Timestamp,
    ) -> Option<PaymentUpdate> {
        if !self.may_pay_again(now) {
            return None;
        }
        let mut next = self.next();
        let charge = next.charge.as_mut()?;
        next.failed_attempts.push(FailedAttempt {
            payment_method: std::mem::replace(
                &mut charge.payment_method,
                payment_method.to_owned(),
            ),
            intent_id: next.intent_id.take(),
            reason: next.reason.take(),
            action_required: std::mem::take(&mut next.action_required),
            key: next.attempt_key.replace(key),
        });
        charge.attempt = self.attempt() + 1;
        next.state = PaymentState::Pending;
        next.retry_until = None;
        next.since = Some(now);
        Some(self.without_event(next))
    }

    /// Ends the time to pay again, and publishes that the last failure was final. `None` while
    /// there is time left, or unless the payment is FAILED.
    #[must_use]
    pub fn end_retry(&self, now: Timestamp, cause: &EventContext) -> Option<PaymentUpdate> {
        let over = self.retry_until.is_some_and(|until| until <= now);
        if self.state != PaymentState::Failed || !over {
            return None;
        }
        let ended = Self { retry_until: None, retry_ended: true, ..self.next() };
        let events = vec![ended.failure(now, cause)];
        Some(PaymentUpdate { events, ..self.without_event(ended) })
    }

    /// The event of the current attempt's failure.
    pub(super) fn failure(&self, now: Timestamp, cause: &EventContext) -> Event {
        let payload = PaymentFailed {
            order_id: self.order_id,
            reason: self.reason.as_ref().map_or_else(String::new, DeclineCode::to_string),
            user_id: Some(self.user_id),
            attempt: Some(self.attempt()),
            retry_until: self.retry_until,
        };
        Event::new(&payload, self.version, 0, now, cause)
    }

    /// Records a success beside another capture, with its refund. `None` if it was recorded before.
    pub(super) fn capture_surplus(&self, attempt: u32, now: Timestamp) -> Option<PaymentUpdate> {
        let charge = self.charge.as_ref()?;
        if self.refunds.iter().any(|refund| refund.attempt == Some(attempt)) {
            return None;
        }
        let mut next = self.next();
        next.refunds.push(Refund::of_attempt(self.order_id, attempt, charge.total));
        let entry =
            next.entry(EntryKind::SurplusCaptured, None, charge.currency, charge.total, now);
        Some(PaymentUpdate { entry: Some(entry), ..self.without_event(next) })
    }

    /// The number of PaymentFailed that were published.
    #[must_use]
    pub fn published_failures(&self) -> usize {
        let current = self.reason.is_some() && !self.cancel_requested;
        self.failed_attempts.len() + usize::from(current) + usize::from(self.retry_ended)
    }

    /// Whether PaymentCaptured was published.
    #[must_use]
    pub fn published_capture(&self) -> bool {
        // What was stored without the attribute has failed once at most.
        let by_failure = self.reason.is_none() || self.cancel_requested;
        !self.captured.is_zero() && self.capture_published.unwrap_or(by_failure)
    }

    /// The number of PaymentActionRequired that were published.
    #[must_use]
    pub fn published_actions(&self) -> usize {
        let earlier = self.failed_attempts.iter().filter(|attempt| attempt.action_required);
        earlier.count() + usize::from(self.action_required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{intent::ChargeOutcome, ledger::LedgerAccount, refund::RefundOutcome},
        fixtures::{EXPIRES_AT, NOW, captured, intent_id, pending, processing, stock_reserved},
    };
    use rialto_kernel::Amount;

    const LATER: Timestamp = Timestamp::from_millis(1_500);

    fn cause() -> EventContext {
        EventContext::default()
    }

    fn key(number: u32) -> AttemptKey {
        AttemptKey::of(&number.to_string(), "pm_card_visa")
    }

    fn intent(number: u32) -> IntentId {
        IntentId::parse(&format!("pi_{number}")).unwrap()
    }

    fn declined() -> ChargeOutcome {
        ChargeOutcome::Failed { reason: DeclineCode::new("insufficient_funds") }
    }

    fn settle(payment: &Payment, number: u32, outcome: &ChargeOutcome) -> Option<PaymentUpdate> {
        payment.settle_intent(&intent(number), outcome, NOW, &cause())
    }

    /// A payment whose first attempt is processing, and may be followed by others.
    fn retryable() -> Payment {
        let pending = Payment::pending(&stock_reserved(), Duration::from_secs(600), NOW, &cause());
        pending.payment.record_intent(&intent(1), NOW).unwrap().payment
    }

    /// A payment whose attempts up to `number` have failed; another may follow.
    fn failed(number: u32) -> Payment {
        if number == 1 {
            return settle(&retryable(), 1, &declined()).unwrap().payment;
        }
        settle(&attempting(number), number, &declined()).unwrap().payment
    }

    /// A payment whose attempt `number`, from 2, is processing.
    fn attempting(number: u32) -> Payment {
        let pending = failed(number - 1).pay_again("pm_card_visa", key(number), NOW).unwrap();
        pending.payment.record_intent(&intent(number), NOW).unwrap().payment
    }

    fn kinds(change: &PaymentUpdate) -> Vec<&str> {
        change.events.iter().map(|event| event.kind.as_str()).collect()
    }

    #[test]
    fn a_failure_says_until_when_the_buyer_may_pay_again() {
        let failed = settle(&retryable(), 1, &declined()).unwrap();
        // Ten minutes, but not after the order's deadline.
        assert_eq!(failed.payment.retry_until, Some(EXPIRES_AT));
        assert_eq!(
            (&failed.events[0].data["attempt"], &failed.events[0].data["retry_until"]),
            (&1.into(), &EXPIRES_AT.to_string().into())
        );
        assert_eq!(failed.payment.deadline(), Some(EXPIRES_AT));
        assert!(failed.payment.may_pay_again(LATER));
        assert!(!failed.payment.may_pay_again(EXPIRES_AT));
        let final_failure = processing().settle(&declined(), NOW, &cause()).unwrap();
        assert_eq!(final_failure.payment.retry_until, None);
        assert!(final_failure.events[0].data.get("retry_until").is_none());
        let expired = retryable().settle(&ChargeOutcome::Canceled, EXPIRES_AT, &cause()).unwrap();
        assert_eq!(expired.payment.retry_until, None);
    }

    #[test]
    fn a_further_attempt_is_begun_once_by_a_failed_payment() {
        let failed = failed(1);
        let again = failed.pay_again("pm_sim_3ds", key(2), LATER).unwrap();
        assert_eq!(kinds(&again), [""; 0]);
        let payment = again.payment;
        let charge = payment.charge.as_ref().unwrap();
        assert_eq!((charge.payment_method.as_str(), charge.attempt), ("pm_sim_3ds", 2));
        assert_eq!((payment.state, payment.attempt()), (PaymentState::Pending, 2));
        assert_eq!(
            (&payment.intent_id, &payment.reason, payment.retry_until),
            (&None, &None, None)
        );
        assert_eq!(payment.failed_attempts[0].intent_id, Some(intent(1)));
        assert_eq!(payment.failed_attempts[0].payment_method, "pm_card_visa");
        assert_eq!(payment.begun_under(&key(2)), Some(&key(2)));
        assert_eq!(payment.begun_under(&key(3)), None);
        assert_eq!(payment.deadline(), Some(LATER.plus(ATTEMPT_PAUSE)));
        for not_retryable in [payment, retryable(), pending(), captured()] {
            assert_eq!(not_retryable.pay_again("pm_card_visa", key(3), LATER), None);
        }
        assert_eq!(failed.pay_again("pm_card_visa", key(2), EXPIRES_AT), None);
    }

    #[test]
    fn the_tenth_attempt_is_the_last() {
        let last = attempting(MAX_PAYMENT_ATTEMPTS);
        let failed = settle(&last, MAX_PAYMENT_ATTEMPTS, &declined()).unwrap();
        assert_eq!(failed.payment.retry_until, None);
        assert_eq!(failed.events[0].data["attempt"], 10);
        assert_eq!(failed.payment.published_failures(), 10);
        let size = serde_json::to_string(&failed.payment).unwrap().len();
        assert!(size < 8_000, "{size}");
    }

    #[test]
    fn the_time_to_pay_again_ends_once() {
        let failed = failed(2);
        assert_eq!(failed.end_retry(LATER, &cause()), None);
        let ended = failed.end_retry(EXPIRES_AT, &cause()).unwrap();
        assert_eq!(kinds(&ended), ["PaymentFailed"]);
        assert_eq!(ended.events[0].data["attempt"], 2);
        assert!(ended.events[0].data.get("retry_until").is_none());
        assert_eq!(ended.payment.published_failures(), 3);
        assert_eq!(ended.payment.end_retry(EXPIRES_AT, &cause()), None);
        assert_eq!(ended.payment.deadline(), None);
        assert_eq!(attempting(2).end_retry(EXPIRES_AT, &cause()), None);
    }

    #[test]
    fn a_cancellation_ends_the_time_to_pay_again() {
        let voided = failed(1).cancel(&cause()).unwrap();
        assert_eq!(
            (voided.payment.state, voided.payment.retry_until, kinds(&voided).len()),
            (PaymentState::Voided, None, 0)
        );
        assert_eq!(voided.payment.pay_again("pm_card_visa", key(2), NOW), None);
        assert_eq!(voided.payment.end_retry(EXPIRES_AT, &cause()), None);
        assert_eq!(voided.payment.published_failures(), 1);
        // A failure is final without it.
        let failed = processing().settle(&declined(), NOW, &cause()).unwrap();
        assert_eq!(failed.payment.cancel(&cause()), None);
        let pending = self::failed(1).pay_again("pm_card_visa", key(2), NOW).unwrap().payment;
        assert_eq!(pending.cancel(&cause()).unwrap().payment.state, PaymentState::Voided);
    }

    #[test]
    fn a_success_of_a_failed_attempt_is_the_capture_in_time() {
        for (payment, attempt) in [(failed(1), 1), (failed(2), 1), (failed(2), 2)] {
            let captured = settle(&payment, attempt, &ChargeOutcome::Captured).unwrap();
            assert_eq!(kinds(&captured), ["PaymentCaptured"]);
            let payment = captured.payment;
            assert_eq!((payment.state, &payment.refunds[..]), (PaymentState::Captured, &[][..]));
            assert_eq!(payment.captured_intent(), Some(&intent(attempt)));
            assert!(payment.published_capture());
        }
        let final_failure = failed(1).end_retry(EXPIRES_AT, &cause()).unwrap().payment;
        let captured = settle(&final_failure, 1, &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&captured), [""; 0]);
        assert!(captured.payment.unfinished_refund().is_some());
        assert!(!captured.payment.published_capture());
        let voided = failed(1).cancel(&cause()).unwrap().payment;
        let captured = settle(&voided, 1, &ChargeOutcome::Captured).unwrap();
        assert!(captured.payment.unfinished_refund().is_some());
        assert!(captured.payment.published_capture());
    }

    #[test]
    fn an_earlier_attempt_ends_nothing_but_by_success() {
        let payment = attempting(2);
        assert_eq!(settle(&payment, 1, &declined()), None);
        assert_eq!(settle(&payment, 1, &ChargeOutcome::Canceled), None);
        assert_eq!(settle(&payment, 3, &ChargeOutcome::Captured), None);
        let captured = settle(&payment, 1, &ChargeOutcome::Captured).unwrap().payment;
        assert_eq!(captured.captured_intent(), Some(&intent(1)));
        assert!(captured.published_capture());
        assert_eq!(settle(&captured, 2, &declined()), None);
    }

    #[test]
    fn a_success_beside_a_capture_is_refunded_whole_on_its_own() {
        for (first, second) in [(1, 2), (2, 1)] {
            let captured = settle(&attempting(2), first, &ChargeOutcome::Captured).unwrap().payment;
            assert_eq!(settle(&captured, first, &ChargeOutcome::Captured), None);
            let surplus = settle(&captured, second, &ChargeOutcome::Captured).unwrap();
            assert_eq!(kinds(&surplus), [""; 0]);
            let entry = surplus.entry.as_ref().unwrap();
            assert_eq!(entry.kind, EntryKind::SurplusCaptured);
            assert_eq!(entry.postings[1].account, LedgerAccount::Shop);
            let payment = surplus.payment;
            assert_eq!(settle(&payment, second, &ChargeOutcome::Captured), None);
            assert_eq!(payment.captured, captured.captured);
            assert_eq!(payment.refundable(), captured.captured);
            let (intent_to_refund, refund) = payment.unfinished_refund().unwrap();
            assert_eq!(intent_to_refund, &intent(second));
            assert_eq!(refund.key, format!("{}#attempt#{second}", payment.order_id));
            assert_eq!(refund.amount, captured.captured);

            let refund_id = refund.refund_id;
            let issued = payment.settle_refund(refund_id, &RefundOutcome::Issued, NOW, &cause());
            let payment = issued.unwrap().payment;
            assert_eq!(payment.state, PaymentState::Captured);
            assert_eq!((payment.refunded(), payment.refund_due()), (Amount::ZERO, Amount::ZERO));
            // What was captured is refunded by itself.
            let cancelled = payment.cancel(&cause()).unwrap().payment;
            let (intent_to_refund, refund) = cancelled.unfinished_refund().unwrap();
            assert_eq!((intent_to_refund, refund.amount), (&intent(first), captured.captured));
        }
    }

    #[test]
    fn a_payment_stored_without_attempts_has_one() {
        let payment = captured();
        let mut stored = serde_json::to_value(&payment).unwrap();
        let added = [
            "failed_attempts",
            "attempt_key",
            "retry_window",
            "retry_until",
            "retry_ended",
            "since",
            "captured_attempt",
            "capture_published",
            "action_required",
        ];
        stored.as_object_mut().unwrap().retain(|name, _| !added.contains(&name.as_str()));
        stored["charge"].as_object_mut().unwrap().remove("attempt");
        let read: Payment = serde_json::from_value(stored).unwrap();
        assert_eq!(read.attempt(), 1);
        assert_eq!(read.captured_intent(), Some(&intent_id()));
        assert_eq!(read.settle_intent(&intent_id(), &ChargeOutcome::Captured, NOW, &cause()), None);
        assert!(read.published_capture());
        assert_eq!(read.published_failures(), 0);
    }
}
