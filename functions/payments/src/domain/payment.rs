//! The payment aggregate: an order's charge and its refunds.

mod disputes;
mod refunds;

pub use disputes::MAX_DISPUTES;
pub use refunds::{GoodwillError, Granted, MAX_GOODWILL_REFUNDS, NotCaptured};

use super::{
    dispute::Dispute,
    intent::{ChargeOutcome, DeclineCode, IntentId},
    ledger::{EntryKind, LedgerEntry},
    refund::{Refund, RefundState},
};
use rialto_contracts::{
    Event, EventContext,
    inventory::StockReserved,
    orders::OrderCancelled,
    payments::{PaymentCaptured, PaymentFailed},
};
use rialto_kernel::{
    Amount, Currency, EventId, OrderId, PaymentId, PlantedBug, RefundId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The payment of an order. An order has at most one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Derived from the order's id.
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub user_id: UserId,
    pub state: PaymentState,
    /// `None` in a tombstone: the order was cancelled first and is never charged.
    pub charge: Option<Charge>,
    /// The provider's id of the charge, from PROCESSING on.
    pub intent_id: Option<IntentId>,
    /// The order was cancelled while its charge was processing: a capture will be refunded.
    pub cancel_requested: bool,
    /// The provider's code, if the charge failed.
    pub reason: Option<DeclineCode>,
    pub captured: Amount,
    pub refunds: Vec<Refund>,
    /// The lines whose rejection, cancellation or return was applied, whether or not there was
    /// anything left to refund.
    #[serde(default)]
    pub compensated_lines: BTreeSet<u32>,
    /// Oldest first.
    #[serde(default)]
    pub disputes: Vec<Dispute>,
    /// The last event that was applied; the cause of later changes that no event causes, such as
    /// those of webhooks and sweeps.
    #[serde(default, rename = "asked_by")]
    pub caused_by: Option<EventId>,
    pub version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentState {
    /// No charge was started.
    Pending,
    /// The intent was created at the provider; it may or may not have been confirmed.
    Processing,
    Captured,
    /// The charge was declined.
    Failed,
    /// The order was cancelled before it was charged.
    Voided,
    PartiallyRefunded,
    Refunded,
}

/// The amount to charge, its payment method and its deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub total: Amount,
    pub currency: Currency,
    /// The provider's id of the buyer's payment method.
    pub payment_method: String,
    /// The deadline, at and after which no charge is confirmed.
    pub expires_at: Timestamp,
}

/// The next version of a payment, with its ledger entry and the events to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentUpdate {
    pub payment: Payment,
    /// The stored version; `None` if the payment is new.
    pub expected: Option<u64>,
    pub entry: Option<LedgerEntry>,
    pub events: Vec<Event>,
}

impl Payment {
    /// Creates the payment of an order whose stock is reserved. Nothing is charged yet.
    #[must_use]
    pub fn pending(reserved: &StockReserved, cause: &EventContext) -> PaymentUpdate {
        let charge = Charge {
            total: reserved.total,
            currency: reserved.currency,
            payment_method: reserved.payment_method.clone(),
            expires_at: reserved.expires_at,
        };
        Self::first(reserved.order_id, reserved.user_id, PaymentState::Pending, Some(charge), cause)
    }

    /// Creates the tombstone of an order that was cancelled before it had a payment: it is never
    /// charged.
    #[must_use]
    pub fn tombstone(cancelled: &OrderCancelled, cause: &EventContext) -> PaymentUpdate {
        Self::first(cancelled.order_id, cancelled.user_id, PaymentState::Voided, None, cause)
    }

    fn first(
        order_id: OrderId,
        user_id: UserId,
        state: PaymentState,
        charge: Option<Charge>,
        cause: &EventContext,
    ) -> PaymentUpdate {
        let payment = Self {
            payment_id: PaymentId::derive(&[order_id.to_string().as_bytes()]),
            order_id,
            user_id,
            state,
            charge,
            intent_id: None,
            cancel_requested: false,
            reason: None,
            captured: Amount::ZERO,
            refunds: Vec::new(),
            compensated_lines: BTreeSet::new(),
            disputes: Vec::new(),
            caused_by: cause.causationid,
            version: 1,
        };
        PaymentUpdate { payment, expected: None, entry: None, events: Vec::new() }
    }

    /// Whether the order may still be charged.
    #[must_use]
    pub fn may_charge(&self, now: Timestamp) -> bool {
        let in_time = self.charge.as_ref().is_some_and(|charge| {
            now < charge.expires_at || PlantedBug::ChargedAfterDeadline.is_planted()
        });
        in_time && !self.cancel_requested
    }

    /// Whether the started charge may be confirmed.
    #[must_use]
    pub fn may_confirm(&self, now: Timestamp) -> bool {
        self.state == PaymentState::Processing && self.may_charge(now)
    }

    /// Records the created, unconfirmed intent. `None` unless the payment is PENDING.
    #[must_use]
    pub fn record_intent(&self, intent: &IntentId) -> Option<PaymentUpdate> {
        if self.state != PaymentState::Pending {
            return None;
        }
        let processing = Self {
            state: PaymentState::Processing,
            intent_id: Some(intent.clone()),
            ..self.next()
        };
        Some(self.without_event(processing))
    }

    /// Records the charge's outcome, and in the same write the refund of a cancelled order's
    /// capture. `None` if the outcome was recorded before.
    #[must_use]
    pub fn settle(
        &self,
        outcome: &ChargeOutcome,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        use PaymentState::{Failed, Pending, Processing, Voided};
        match (outcome, self.state) {
            (ChargeOutcome::Captured, Processing | Voided | Failed) => self.capture(now, cause),
            (ChargeOutcome::Captured, PaymentState::Captured)
                if PlantedBug::CapturedTwice.is_planted() =>
            {
                self.capture(now, cause)
            }
            (ChargeOutcome::Failed { reason }, Pending | Processing) => {
                Some(self.fail(reason, now, cause))
            }
            _ => None,
        }
    }

    fn capture(&self, now: Timestamp, cause: &EventContext) -> Option<PaymentUpdate> {
        let charge = self.charge.as_ref()?;
        let mut captured =
            Self { state: PaymentState::Captured, captured: charge.total, ..self.next() };
        let marked = self.cancel_requested && !PlantedBug::MarkNotReadAtCapture.is_planted();
        if marked || self.state != PaymentState::Processing {
            captured.refunds.push(Refund::remaining(self.order_id, charge.total));
        }
        let payload = PaymentCaptured {
            order_id: self.order_id,
            payment_id: self.payment_id,
            amount: charge.total,
        };
        // PaymentFailed was published: a PaymentCaptured that arrives before it would confirm the
        // order.
        let events = match self.state {
            PaymentState::Failed => Vec::new(),
            _ => vec![Event::new(&payload, captured.version, 0, now, cause)],
        };
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
        let failed = Self { state: PaymentState::Failed, ..failed };
        let payload = PaymentFailed {
            order_id: self.order_id,
            reason: reason.to_string(),
            user_id: Some(self.user_id),
            attempt: Some(1),
            retry_until: None,
        };
        let events = vec![Event::new(&payload, failed.version, 0, now, cause)];
        PaymentUpdate { payment: failed, expected: Some(self.version), entry: None, events }
    }

    /// Applies the order's cancellation: voids a pending payment, marks a processing one, and adds
    /// a refund of what remains of a captured one. `None` if nothing changes.
    #[must_use]
    pub fn cancel(&self, cause: &EventContext) -> Option<PaymentUpdate> {
        let mut next = Self { caused_by: cause.causationid.or(self.caused_by), ..self.next() };
        match self.state {
            PaymentState::Pending if !PlantedBug::PendingNotVoided.is_planted() => {
                next.state = PaymentState::Voided;
            }
            PaymentState::Processing
                if !self.cancel_requested && !PlantedBug::ProcessingNotMarked.is_planted() =>
            {
                next.cancel_requested = true;
            }
            PaymentState::Captured | PaymentState::PartiallyRefunded
                if !self.refundable().is_zero() && !PlantedBug::CaptureNotRefunded.is_planted() =>
            {
                next.refunds.push(Refund::remaining(self.order_id, self.refundable()));
            }
            _ => return None,
        }
        Some(self.without_event(next))
    }

    /// The deadline of an unfinished charge or refund, after which the sweep settles it. A refund
    /// whose try was refused is due at its next one.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let expires_at = self.charge.as_ref()?.expires_at;
        if self.state == PaymentState::Processing {
            return Some(expires_at).filter(|_| !PlantedBug::ProcessingNotSwept.is_planted());
        }
        let swept = !PlantedBug::RefundsNotSwept.is_planted();
        let unfinished =
            |refund: &&Refund| (refund.is_open() || refund.state == RefundState::Waiting) && swept;
        let unfinished = self.refunds.iter().filter(unfinished);
        unfinished.map(|refund| refund.retry_at.unwrap_or(expires_at)).min()
    }

    /// The context of a change that no event causes: caused by the last event that was applied.
    #[must_use]
    pub fn cause(&self, traceparent: Option<String>) -> EventContext {
        EventContext {
            correlationid: Some(self.order_id.to_string()),
            causationid: self.caused_by.filter(|_| !PlantedBug::CauseForgotten.is_planted()),
            traceparent,
        }
    }

    fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// An update without ledger entry and events.
    const fn without_event(&self, payment: Self) -> PaymentUpdate {
        PaymentUpdate { payment, expected: Some(self.version), entry: None, events: Vec::new() }
    }

    /// The ledger entry of this version of the payment.
    fn entry(
        &self,
        kind: EntryKind,
        refund_id: Option<RefundId>,
        currency: Currency,
        amount: Amount,
        at: Timestamp,
    ) -> LedgerEntry {
        let postings = kind.postings(amount);
        LedgerEntry {
            order_id: self.order_id,
            payment_version: self.version,
            at,
            kind,
            refund_id,
            currency,
            postings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::refund::RefundOutcome,
        fixtures::{
            EXPIRES_AT, NOW, captured, intent_id, order_cancelled, pending, processing, refunding,
        },
    };

    fn settle(payment: &Payment, outcome: &ChargeOutcome) -> Option<PaymentUpdate> {
        payment.settle(outcome, NOW, &EventContext::default())
    }

    fn cancel(payment: &Payment) -> Option<Payment> {
        payment.cancel(&EventContext::default()).map(|change| change.payment)
    }

    fn declined() -> ChargeOutcome {
        ChargeOutcome::Failed { reason: DeclineCode::new("insufficient_funds") }
    }

    fn kinds(change: &PaymentUpdate) -> Vec<&str> {
        change.events.iter().map(|event| event.kind.as_str()).collect()
    }

    fn settle_refund(payment: &Payment, outcome: &RefundOutcome) -> Option<PaymentUpdate> {
        let refund = payment.refunds[0].refund_id;
        payment.settle_refund(refund, outcome, NOW, &EventContext::default())
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
        assert_eq!(processing().record_intent(&IntentId::parse("pi_2").unwrap()), None);
    }

    #[test]
    fn no_charge_is_allowed_after_deadline_or_cancellation() {
        assert!(processing().may_charge(Timestamp::from_millis(1_999)));
        assert!(!processing().may_charge(EXPIRES_AT));
        assert!(!cancel(&processing()).unwrap().may_charge(NOW));
    }

    #[test]
    fn only_an_open_started_charge_may_be_confirmed() {
        assert!(processing().may_confirm(NOW));
        assert!(!processing().may_confirm(EXPIRES_AT));
        assert!(!cancel(&processing()).unwrap().may_confirm(NOW));
        assert!(!pending().may_confirm(NOW));
        assert!(!settle(&processing(), &declined()).unwrap().payment.may_confirm(NOW));
    }

    #[test]
    fn a_cancelled_order_without_a_charge_is_voided() {
        let voided = cancel(&pending()).unwrap();
        assert_eq!(voided.state, PaymentState::Voided);
        assert_eq!(voided.record_intent(&intent_id()), None);
        assert_eq!(cancel(&voided), None);
        let tombstone = Payment::tombstone(&order_cancelled(), &EventContext::default());
        assert_eq!(tombstone.payment.state, PaymentState::Voided);
        assert_eq!(settle(&tombstone.payment, &ChargeOutcome::Captured), None);
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
    fn only_unfinished_payments_have_a_deadline() {
        let expires_at = Some(EXPIRES_AT);
        assert_eq!(pending().deadline(), None);
        assert_eq!(processing().deadline(), expires_at);
        assert_eq!(cancel(&processing()).unwrap().deadline(), expires_at);
        assert_eq!(captured().deadline(), None);
        let refunding = refunding();
        assert_eq!(refunding.deadline(), expires_at);
        assert_eq!(
            settle_refund(&refunding, &RefundOutcome::Issued).unwrap().payment.deadline(),
            None
        );
        assert_eq!(settle(&processing(), &declined()).unwrap().payment.deadline(), None);
    }

    #[test]
    fn changes_without_an_event_are_caused_by_the_last_one() {
        let caused_by = |event: &str| EventContext {
            causationid: Some(EventId::derive(&[event.as_bytes()])),
            ..EventContext::default()
        };
        let (reserved, cancelled) = (caused_by("reserved"), caused_by("cancelled"));
        let pending = Payment { caused_by: reserved.causationid, ..pending() };
        let processing = pending.record_intent(&intent_id()).unwrap().payment;
        assert_eq!(processing.cause(None).causationid, reserved.causationid);
        assert_eq!(processing.cause(None).correlationid, Some(processing.order_id.to_string()));
        let marked = processing.cancel(&cancelled).unwrap().payment;
        assert_eq!(marked.cause(None).causationid, cancelled.causationid);
    }
}
