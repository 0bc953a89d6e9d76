//! The payment aggregate: an order's charge and its refunds.

mod attempts;
mod charging;
mod disputes;
mod refunds;

pub use disputes::MAX_DISPUTES;
pub use refunds::{GoodwillError, Granted, MAX_GOODWILL_REFUNDS, NotCaptured};

use super::{
    dispute::Dispute,
    intent::{DeclineCode, IntentId},
    ledger::{EntryKind, LedgerEntry},
    refund::{Refund, RefundState},
};
use attempts::ATTEMPT_PAUSE;
pub use attempts::{AttemptKey, FailedAttempt, MAX_PAYMENT_ATTEMPTS};
use rialto_contracts::{Event, EventContext, inventory::StockReserved, orders::OrderCancelled};
use rialto_kernel::{
    Amount, Currency, EventId, OrderId, PaymentId, PlantedBug, RefundId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// The payment of an order. An order has at most one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Derived from the order's id.
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub user_id: UserId,
    pub state: PaymentState,
    /// `None` in a tombstone, and in a payment of an earlier release: neither is listed.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// `None` in a tombstone: the order was cancelled first and is never charged.
    pub charge: Option<Charge>,
    /// The provider's id of the current attempt's charge, from PROCESSING on.
    pub intent_id: Option<IntentId>,
    /// The request that began the current attempt; `None` for the first.
    #[serde(default)]
    pub attempt_key: Option<AttemptKey>,
    /// The attempts before the current one, in order.
    #[serde(default)]
    pub failed_attempts: Vec<FailedAttempt>,
    /// When the further attempt, or the charge at the provider, began.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// For how many seconds the buyer may pay again after a failure.
    #[serde(default)]
    pub retry_window: u64,
    /// Until when the buyer may pay again, while FAILED.
    #[serde(default)]
    pub retry_until: Option<Timestamp>,
    /// The time to pay again has passed, and PaymentFailed was published once more.
    #[serde(default)]
    pub retry_ended: bool,
    /// PaymentActionRequired was published for the current attempt.
    #[serde(default)]
    pub action_required: bool,
    /// The order was cancelled while its charge was processing: a capture will be refunded.
    pub cancel_requested: bool,
    /// The provider's code, if the current attempt failed.
    pub reason: Option<DeclineCode>,
    pub captured: Amount,
    /// The attempt whose charge is the capture.
    #[serde(default)]
    pub captured_attempt: Option<u32>,
    /// Whether PaymentCaptured was published with the capture.
    #[serde(default)]
    pub capture_published: Option<bool>,
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
    /// The charge is processing, and the buyer has to authenticate it.
    RequiresAction,
    Captured,
    /// The charge was declined.
    Failed,
    /// The order was cancelled before it was charged.
    Voided,
    PartiallyRefunded,
    Refunded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be PENDING, PROCESSING, REQUIRES_ACTION, CAPTURED, FAILED, VOIDED, PARTIALLY_REFUNDED or \
     REFUNDED"
)]
pub struct PaymentStateError;

impl std::str::FromStr for PaymentState {
    type Err = PaymentStateError;
    fn from_str(text: &str) -> Result<Self, PaymentStateError> {
        match text {
            "PENDING" => Ok(Self::Pending),
            "PROCESSING" => Ok(Self::Processing),
            "REQUIRES_ACTION" => Ok(Self::RequiresAction),
            "CAPTURED" => Ok(Self::Captured),
            "FAILED" => Ok(Self::Failed),
            "VOIDED" => Ok(Self::Voided),
            "PARTIALLY_REFUNDED" => Ok(Self::PartiallyRefunded),
            "REFUNDED" => Ok(Self::Refunded),
            _ => Err(PaymentStateError),
        }
    }
}

/// The amount to charge, its payment method and its deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub total: Amount,
    pub currency: Currency,
    /// The provider's id of the buyer's payment method.
    pub payment_method: String,
    /// The number of the attempt, from 1.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// The deadline, at and after which no charge is confirmed.
    pub expires_at: Timestamp,
}

const fn first_attempt() -> u32 {
    1
}

/// The provider's id of a payment method, such as `pm_card_visa`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentMethodId(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be pm_ and 1 to 61 letters, digits and underscores")]
pub struct PaymentMethodIdError;

impl PaymentMethodId {
    /// # Errors
    /// [`PaymentMethodIdError`] if `text` has another form.
    pub fn parse(text: &str) -> Result<Self, PaymentMethodIdError> {
        let name = text.strip_prefix("pm_").ok_or(PaymentMethodIdError)?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain && (1..=61).contains(&name.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PaymentMethodIdError)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    /// Creates the payment of an order whose stock is reserved. Nothing is charged yet. After a
    /// failure the buyer may pay again for `retry_window`.
    #[must_use]
    pub fn pending(
        reserved: &StockReserved,
        retry_window: Duration,
        now: Timestamp,
        cause: &EventContext,
    ) -> PaymentUpdate {
        let charge = Charge {
            total: reserved.total,
            currency: reserved.currency,
            payment_method: reserved.payment_method.clone(),
            attempt: first_attempt(),
            expires_at: reserved.expires_at,
        };
        let (order, user) = (reserved.order_id, reserved.user_id);
        let first = Self::first(order, user, PaymentState::Pending, Some(charge), cause);
        let (created_at, retry_window) = (Some(now), retry_window.as_secs());
        let payment = Self { created_at, retry_window, ..first.payment };
        PaymentUpdate { payment, ..first }
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
            created_at: None,
            charge,
            intent_id: None,
            attempt_key: None,
            failed_attempts: Vec::new(),
            since: None,
            retry_window: 0,
            retry_until: None,
            retry_ended: false,
            action_required: false,
            cancel_requested: false,
            reason: None,
            captured: Amount::ZERO,
            captured_attempt: None,
            capture_published: None,
            refunds: Vec::new(),
            compensated_lines: BTreeSet::new(),
            disputes: Vec::new(),
            caused_by: cause.causationid,
            version: 1,
        };
        PaymentUpdate { payment, expected: None, entry: None, events: Vec::new() }
    }

    /// Applies the order's cancellation: voids a pending payment and one that might be paid again,
    /// marks a processing one, and adds a refund of what remains of a captured one. `None` if
    /// nothing changes.
    #[must_use]
    pub fn cancel(&self, cause: &EventContext) -> Option<PaymentUpdate> {
        let mut next = Self { caused_by: cause.causationid.or(self.caused_by), ..self.next() };
        match self.state {
            PaymentState::Pending if !PlantedBug::PendingNotVoided.is_planted() => {
                next.state = PaymentState::Voided;
            }
            PaymentState::Failed if self.retry_until.is_some() => {
                next.state = PaymentState::Voided;
                next.retry_until = None;
            }
            PaymentState::Processing | PaymentState::RequiresAction
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

    /// Whether the payment is in `state`, if one is given.
    #[must_use]
    pub fn is_in(&self, state: Option<PaymentState>) -> bool {
        state.is_none_or(|state| self.state == state)
    }

    /// When the sweep is to visit the payment: an unfinished charge a minute after it began and at
    /// its deadline, a further attempt a minute after it began, an unfinished refund at the
    /// deadline or, if a try was refused, at its next one, and a failed charge when the time to pay
    /// again is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let expires_at = self.charge.as_ref()?.expires_at;
        let minute_later = self.since.map(|since| since.plus(ATTEMPT_PAUSE));
        if self.is_charging() {
            let due = minute_later.map_or(expires_at, |due| due.min(expires_at));
            return Some(due).filter(|_| !PlantedBug::ProcessingNotSwept.is_planted());
        }
        match self.state {
            PaymentState::Pending if self.attempt() > 1 => return minute_later,
            PaymentState::Failed if self.retry_until.is_some() => return self.retry_until,
            _ => {}
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
    use crate::domain::intent::ChargeOutcome;
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

    fn settle_refund(payment: &Payment, outcome: &RefundOutcome) -> Option<PaymentUpdate> {
        let refund = payment.refunds[0].refund_id;
        payment.settle_refund(refund, outcome, NOW, &EventContext::default())
    }

    #[test]
    fn a_state_is_parsed_as_it_is_written() {
        use PaymentState::{
            Captured, Failed, PartiallyRefunded, Pending, Processing, Refunded, RequiresAction,
            Voided,
        };
        let states = [
            Pending,
            Processing,
            RequiresAction,
            Captured,
            Failed,
            Voided,
            PartiallyRefunded,
            Refunded,
        ];
        for state in states {
            let written = serde_json::to_value(state).unwrap();
            assert_eq!(written.as_str().unwrap().parse(), Ok(state));
        }
        assert_eq!("pending".parse::<PaymentState>(), Err(PaymentStateError));
    }

    #[test]
    fn payment_methods_have_the_form_of_the_provider() {
        assert_eq!(PaymentMethodId::parse("pm_card_visa").unwrap().as_str(), "pm_card_visa");
        for bad in ["", "pm_", "card", "pm_a b", "pm_ä", &format!("pm_{}", "x".repeat(62))] {
            assert_eq!(PaymentMethodId::parse(bad), Err(PaymentMethodIdError), "{bad}");
        }
    }

    #[test]
    fn a_cancelled_order_without_a_charge_is_voided() {
        let voided = cancel(&pending()).unwrap();
        assert_eq!(voided.state, PaymentState::Voided);
        assert_eq!(voided.record_intent(&intent_id(), NOW), None);
        assert_eq!(cancel(&voided), None);
        let tombstone = Payment::tombstone(&order_cancelled(), &EventContext::default());
        assert_eq!(tombstone.payment.state, PaymentState::Voided);
        assert_eq!(settle(&tombstone.payment, &ChargeOutcome::Captured), None);
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
        let processing = pending.record_intent(&intent_id(), NOW).unwrap().payment;
        assert_eq!(processing.cause(None).causationid, reserved.causationid);
        assert_eq!(processing.cause(None).correlationid, Some(processing.order_id.to_string()));
        let marked = processing.cancel(&cancelled).unwrap().payment;
        assert_eq!(marked.cause(None).causationid, cancelled.causationid);
    }
}
