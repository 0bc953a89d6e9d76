//! What an order pays, and what it gets back.

use super::{
    intent::{ChargeOutcome, DeclineCode, IntentId},
    ledger::{EntryKind, LedgerEntry},
    refund::{Refund, RefundEnd, RefundState},
};
use rialto_contracts::{
    Event, EventContext,
    inventory::StockReserved,
    orders::OrderCancelled,
    payments::{PaymentCaptured, PaymentFailed, RefundFailed, RefundIssued},
};
use rialto_kernel::{Amount, Currency, EventId, OrderId, PaymentId, RefundId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// An order's one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Derived from the order.
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub user_id: UserId,
    pub state: PaymentState,
    /// What is to be paid. None when the order was cancelled before that was heard, and then nothing ever is.
    pub charge: Option<Charge>,
    /// From PROCESSING on: the provider's name for the charge.
    pub intent_id: Option<IntentId>,
    /// The order was cancelled while its charge was under way: what comes of it is given back.
    pub cancel_requested: bool,
    /// The provider's word, when the charge failed.
    pub reason: Option<DeclineCode>,
    pub captured: Amount,
    pub refunds: Vec<Refund>,
    /// The event that last asked for something: what comes of it later, without an event, is caused by that one.
    #[serde(default, rename = "asked_by")]
    pub caused_by: Option<EventId>,
    pub version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentState {
    /// No charge was begun.
    Pending,
    /// The provider has the charge; it may or may not have been confirmed.
    Processing,
    Captured,
    /// The charge was declined.
    Failed,
    /// The order was cancelled before anything was charged.
    Voided,
    PartiallyRefunded,
    Refunded,
}

/// What is to be paid, how, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub total: Amount,
    pub currency: Currency,
    /// The provider's name for the buyer's means of payment.
    pub payment_method: String,
    /// From then on nothing more is confirmed.
    pub expires_at: Timestamp,
}

/// A write: the payment as it will be, the money that moves, and what is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentUpdate {
    pub payment: Payment,
    /// The version that is there now; none if there is no payment yet.
    pub expected: Option<u64>,
    pub entry: Option<LedgerEntry>,
    pub events: Vec<Event>,
}

impl Payment {
    /// The payment of an order whose stock is reserved. Nothing is charged yet.
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

    /// Keeps the cancellation of an order that has no payment yet: it will never be charged.
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
            caused_by: cause.causationid,
            version: 1,
        };
        PaymentUpdate { payment, expected: None, entry: None, events: Vec::new() }
    }

    /// Whether the order's money may still be taken.
    #[must_use]
    pub fn may_charge(&self, now: Timestamp) -> bool {
        let in_time = self.charge.as_ref().is_some_and(|charge| now < charge.expires_at);
        in_time && !self.cancel_requested
    }

    /// Whether the charge that was begun may be confirmed.
    #[must_use]
    pub fn may_confirm(&self, now: Timestamp) -> bool {
        self.state == PaymentState::Processing && self.may_charge(now)
    }

    /// The provider has the charge, not yet confirmed. Nothing unless the payment is PENDING.
    #[must_use]
    pub fn record_intent(&self, intent: &IntentId) -> Option<PaymentUpdate> {
        if self.state != PaymentState::Pending {
            return None;
        }
        let begun = Self {
            state: PaymentState::Processing,
            intent_id: Some(intent.clone()),
            ..self.next()
        };
        Some(self.without_event(begun))
    }

    /// The charge ended. What a cancelled order paid is given back with the same write; nothing if its end is known.
    #[must_use]
    pub fn settle(
        &self,
        end: &ChargeOutcome,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        use PaymentState::{Failed, Pending, Processing, Voided};
        match (end, self.state) {
            (ChargeOutcome::Captured, Processing | Voided | Failed) => self.capture(now, cause),
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
        if self.cancel_requested || self.state != PaymentState::Processing {
            captured.refunds.push(Refund::remaining(self.order_id, charge.total));
        }
        let announced = PaymentCaptured {
            order_id: self.order_id,
            payment_id: self.payment_id,
            amount: charge.total,
        };
        // The order went by PaymentFailed already, or will: a capture heard before it would confirm the order.
        let events = match self.state {
            PaymentState::Failed => Vec::new(),
            _ => vec![Event::new(&announced, captured.version, 0, now, cause)],
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
        if self.cancel_requested {
            return self.without_event(Self { state: PaymentState::Voided, ..failed });
        }
        let failed = Self { state: PaymentState::Failed, ..failed };
        let announced = PaymentFailed { order_id: self.order_id, reason: reason.to_string() };
        let events = vec![Event::new(&announced, failed.version, 0, now, cause)];
        PaymentUpdate { payment: failed, expected: Some(self.version), entry: None, events }
    }

    /// The order was cancelled: what isn't charged never will be, what is under way is marked, and of what was captured
    /// everything left begins to go back. Nothing if that has happened, or there is nothing to do.
    #[must_use]
    pub fn cancel(&self, cause: &EventContext) -> Option<PaymentUpdate> {
        let mut next = Self { caused_by: cause.causationid.or(self.caused_by), ..self.next() };
        match self.state {
            PaymentState::Pending => next.state = PaymentState::Voided,
            PaymentState::Processing if !self.cancel_requested => next.cancel_requested = true,
            PaymentState::Captured | PaymentState::PartiallyRefunded
                if !self.refundable().is_zero() =>
            {
                next.refunds.push(Refund::remaining(self.order_id, self.refundable()));
            }
            _ => return None,
        }
        Some(self.without_event(next))
    }

    /// A refund that was begun and isn't known to have ended, with the charge that it gives back.
    #[must_use]
    pub fn unfinished_refund(&self) -> Option<(&IntentId, &Refund)> {
        let begun = |refund: &&Refund| refund.state == RefundState::Pending;
        self.intent_id.as_ref().zip(self.refunds.iter().find(begun))
    }

    /// A refund ended. Nothing if that is known.
    #[must_use]
    pub fn end_refund(
        &self,
        refund_id: RefundId,
        end: &RefundEnd,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        let currency = self.charge.as_ref()?.currency;
        let mut next = self.next();
        let refund = next
            .refunds
            .iter_mut()
            .find(|refund| refund.refund_id == refund_id && refund.state == RefundState::Pending)?;
        let (order_id, user_id, amount, line_no) =
            (self.order_id, self.user_id, refund.amount, refund.line_no);
        let (kind, event) = match end {
            RefundEnd::Issued => {
                refund.state = RefundState::Issued;
                let issued = RefundIssued { order_id, user_id, line_no, amount, refund_id };
                (EntryKind::RefundIssued, Event::new(&issued, next.version, 0, now, cause))
            }
            RefundEnd::Failed { reason } => {
                refund.state = RefundState::Failed;
                refund.reason = Some(reason.clone());
                let failed = RefundFailed { order_id, user_id, line_no, amount, refund_id };
                (EntryKind::RefundFailed, Event::new(&failed, next.version, 0, now, cause))
            }
        };
        if next.refunded() == next.captured {
            next.state = PaymentState::Refunded;
        } else if !next.refunded().is_zero() {
            next.state = PaymentState::PartiallyRefunded;
        }
        let entry = next.entry(kind, Some(refund_id), currency, amount, now);
        Some(PaymentUpdate {
            expected: Some(self.version),
            entry: Some(entry),
            events: vec![event],
            payment: next,
        })
    }

    /// By when all that it has under way should have ended, if anything is: the sweep looks at it from then on.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let under_way =
            self.state == PaymentState::Processing || self.unfinished_refund().is_some();
        self.charge.as_ref().filter(|_| under_way).map(|charge| charge.expires_at)
    }

    /// What a write is caused by that no event leads to: whatever last asked for something.
    #[must_use]
    pub fn cause(&self, traceparent: Option<String>) -> EventContext {
        EventContext {
            correlationid: Some(self.order_id.to_string()),
            causationid: self.caused_by,
            traceparent,
        }
    }

    /// What went back to the buyer.
    #[must_use]
    pub fn refunded(&self) -> Amount {
        self.sum(|refund| refund.state == RefundState::Issued)
    }

    /// What should have gone back and didn't.
    #[must_use]
    pub fn refund_due(&self) -> Amount {
        self.sum(|refund| refund.state == RefundState::Failed)
    }

    /// What can still be given back: captured minus every refund begun.
    #[must_use]
    pub fn refundable(&self) -> Amount {
        self.captured.minus(self.sum(|_| true)).unwrap_or(Amount::ZERO)
    }

    fn sum(&self, which: impl Fn(&Refund) -> bool) -> Amount {
        let amounts =
            self.refunds.iter().filter(|refund| which(refund)).map(|refund| refund.amount);
        // Refunds never exceed what was captured, which is an amount.
        Amount::sum(amounts).unwrap_or(self.captured)
    }

    fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// A change that moves no money and announces nothing.
    const fn without_event(&self, payment: Self) -> PaymentUpdate {
        PaymentUpdate { payment, expected: Some(self.version), entry: None, events: Vec::new() }
    }

    /// The ledger's entry for the write of this payment.
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
    use rialto_contracts::orders::CancelReason;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn opened() -> Payment {
        Payment::pending(
            &StockReserved {
                order_id: OrderId::derive(&[b"o"]),
                user_id: UserId::derive(&[b"u"]),
                total: Amount::new(1_000).unwrap(),
                currency: Currency::parse("EUR").unwrap(),
                payment_method: "pm_card_visa".to_owned(),
                expires_at: Timestamp::from_millis(2_000),
            },
            &EventContext::default(),
        )
        .payment
    }

    fn begun() -> Payment {
        opened().record_intent(&IntentId::parse("pi_1").unwrap()).unwrap().payment
    }

    fn end(payment: &Payment, end: &ChargeOutcome) -> Option<PaymentUpdate> {
        payment.settle(end, NOW, &EventContext::default())
    }

    fn captured() -> Payment {
        end(&begun(), &ChargeOutcome::Captured).unwrap().payment
    }

    fn declined() -> ChargeOutcome {
        ChargeOutcome::Failed { reason: DeclineCode::new("insufficient_funds") }
    }

    fn kinds(change: &PaymentUpdate) -> Vec<&str> {
        change.events.iter().map(|event| event.kind.as_str()).collect()
    }

    fn end_refund(payment: &Payment, end: &RefundEnd) -> Option<PaymentUpdate> {
        let refund = payment.refunds[0].refund_id;
        payment.end_refund(refund, end, NOW, &EventContext::default())
    }

    #[test]
    fn a_charge_ends_once() {
        let paid = end(&begun(), &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&paid), ["PaymentCaptured"]);
        assert_eq!(paid.payment.captured.minor_units(), 1_000);
        assert_eq!(paid.entry.as_ref().unwrap().payment_version, paid.payment.version);
        assert_eq!(end(&paid.payment, &ChargeOutcome::Captured), None);
        assert_eq!(end(&paid.payment, &declined()), None);

        let failed = end(&begun(), &declined()).unwrap();
        assert_eq!(
            (failed.payment.state, kinds(&failed)),
            (PaymentState::Failed, vec!["PaymentFailed"])
        );
        assert_eq!(failed.entry, None);
        assert_eq!(end(&failed.payment, &declined()), None);
    }

    #[test]
    fn nothing_is_charged_without_being_begun() {
        assert_eq!(end(&opened(), &ChargeOutcome::Captured), None);
        assert_eq!(begun().record_intent(&IntentId::parse("pi_2").unwrap()), None);
    }

    #[test]
    fn nothing_is_charged_once_it_is_too_late_or_cancelled() {
        assert!(begun().may_charge(Timestamp::from_millis(1_999)));
        assert!(!begun().may_charge(Timestamp::from_millis(2_000)));
        assert!(!begun().cancel(&EventContext::default()).unwrap().payment.may_charge(NOW));
    }

    #[test]
    fn only_what_was_begun_and_has_not_ended_is_confirmed() {
        assert!(begun().may_confirm(NOW));
        assert!(!begun().may_confirm(Timestamp::from_millis(2_000)));
        assert!(!begun().cancel(&EventContext::default()).unwrap().payment.may_confirm(NOW));
        assert!(!opened().may_confirm(NOW));
        assert!(!end(&begun(), &declined()).unwrap().payment.may_confirm(NOW));
    }

    #[test]
    fn a_cancelled_order_that_was_not_charged_is_void() {
        let voided = opened().cancel(&EventContext::default()).unwrap().payment;
        assert_eq!(voided.state, PaymentState::Voided);
        assert_eq!(voided.record_intent(&IntentId::parse("pi_1").unwrap()), None);
        assert_eq!(voided.cancel(&EventContext::default()), None);
        let tombstone = Payment::tombstone(
            &OrderCancelled {
                order_id: OrderId::derive(&[b"o"]),
                user_id: UserId::derive(&[b"u"]),
                reason: CancelReason::OutOfStock,
            },
            &EventContext::default(),
        );
        assert_eq!(tombstone.payment.state, PaymentState::Voided);
        assert_eq!(end(&tombstone.payment, &ChargeOutcome::Captured), None);
    }

    #[test]
    fn what_records_the_end_of_a_marked_charge_reads_the_mark() {
        let marked = begun().cancel(&EventContext::default()).unwrap().payment;
        assert_eq!(
            (marked.state, marked.cancel(&EventContext::default())),
            (PaymentState::Processing, None)
        );

        let failed = end(&marked, &declined()).unwrap();
        assert_eq!((failed.payment.state, failed.events), (PaymentState::Voided, vec![]));

        let paid = end(&marked, &ChargeOutcome::Captured).unwrap();
        assert_eq!(
            (paid.payment.state, kinds(&paid)),
            (PaymentState::Captured, vec!["PaymentCaptured"])
        );
        assert_eq!(paid.payment.unfinished_refund().unwrap().1.amount.minor_units(), 1_000);
        assert_eq!(paid.payment.cancel(&EventContext::default()), None);
    }

    #[test]
    fn a_success_after_all_is_recorded_and_given_back() {
        let voided = end(&begun().cancel(&EventContext::default()).unwrap().payment, &declined())
            .unwrap()
            .payment;
        let paid = end(&voided, &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&paid), ["PaymentCaptured"]);
        assert!(paid.payment.unfinished_refund().is_some());

        let failed = end(&begun(), &declined()).unwrap().payment;
        let paid = end(&failed, &ChargeOutcome::Captured).unwrap();
        assert_eq!(kinds(&paid), [""; 0]);
        assert!(paid.payment.unfinished_refund().is_some());
    }

    #[test]
    fn a_cancelled_order_gets_back_what_is_left_once() {
        let payment = captured().cancel(&EventContext::default()).unwrap().payment;
        assert_eq!(
            (payment.refundable(), payment.cancel(&EventContext::default())),
            (Amount::ZERO, None)
        );
        let refund = &payment.refunds[0];
        assert_eq!(refund.key, format!("{}#rest", payment.order_id));

        let issued = end_refund(&payment, &RefundEnd::Issued).unwrap();
        assert_eq!(
            (issued.payment.state, kinds(&issued)),
            (PaymentState::Refunded, vec!["RefundIssued"])
        );
        assert_eq!(issued.payment.refunded(), issued.payment.captured);
        assert_eq!(end_refund(&issued.payment, &RefundEnd::Issued), None);
        assert_eq!(issued.payment.cancel(&EventContext::default()), None);
    }

    #[test]
    fn a_refund_that_failed_is_due() {
        let payment = captured().cancel(&EventContext::default()).unwrap().payment;
        let end = RefundEnd::Failed { reason: DeclineCode::new("charge_disputed") };
        let failed = end_refund(&payment, &end).unwrap();
        assert_eq!(
            (failed.payment.state, kinds(&failed)),
            (PaymentState::Captured, vec!["RefundFailed"])
        );
        let payment = failed.payment;
        assert_eq!(
            (payment.refunded(), payment.refund_due(), payment.refundable()),
            (Amount::ZERO, payment.captured, Amount::ZERO)
        );
        assert_eq!(end_refund(&payment, &RefundEnd::Issued), None);
    }

    #[test]
    fn what_was_given_back_before_is_not_given_back_again() {
        let mut payment = captured();
        payment.refunds.push(Refund {
            line_no: Some(1),
            state: RefundState::Issued,
            ..Refund::remaining(payment.order_id, Amount::new(300).unwrap())
        });
        payment.state = PaymentState::PartiallyRefunded;
        let payment = payment.cancel(&EventContext::default()).unwrap().payment;
        assert_eq!(payment.refunds[1].amount.minor_units(), 700);
        let refund = payment.refunds[1].refund_id;
        let issued =
            payment.end_refund(refund, &RefundEnd::Issued, NOW, &EventContext::default()).unwrap();
        assert_eq!(issued.payment.state, PaymentState::Refunded);
    }

    #[test]
    fn what_is_under_way_has_a_deadline_and_nothing_else_has() {
        let expires_at = Some(Timestamp::from_millis(2_000));
        assert_eq!(opened().deadline(), None);
        assert_eq!(begun().deadline(), expires_at);
        assert_eq!(
            begun().cancel(&EventContext::default()).unwrap().payment.deadline(),
            expires_at
        );
        assert_eq!(captured().deadline(), None);
        let refunding = captured().cancel(&EventContext::default()).unwrap().payment;
        assert_eq!(refunding.deadline(), expires_at);
        assert_eq!(end_refund(&refunding, &RefundEnd::Issued).unwrap().payment.deadline(), None);
        assert_eq!(end(&begun(), &declined()).unwrap().payment.deadline(), None);
    }

    #[test]
    fn what_comes_without_an_event_is_caused_by_the_last_that_asked() {
        let asked = |by: &str| EventContext {
            causationid: Some(EventId::derive(&[by.as_bytes()])),
            ..EventContext::default()
        };
        let (reserved, cancelled) = (asked("reserved"), asked("cancelled"));
        let opened = Payment { caused_by: reserved.causationid, ..opened() };
        let begun = opened.record_intent(&IntentId::parse("pi_1").unwrap()).unwrap().payment;
        assert_eq!(begun.cause(None).causationid, reserved.causationid);
        assert_eq!(begun.cause(None).correlationid, Some(begun.order_id.to_string()));
        let marked = begun.cancel(&cancelled).unwrap().payment;
        assert_eq!(marked.cause(None).causationid, cancelled.causationid);
    }
}
