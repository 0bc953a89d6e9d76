//! The disputes of a payment, and what they do to its refunds.

use super::{Payment, PaymentUpdate};
use crate::domain::{
    dispute::{Dispute, DisputeId, DisputeReport, DisputeStanding},
    ledger::EntryKind,
    refund::{DISPUTE_PAUSE, Refund, RefundState},
};
use rialto_contracts::{
    Event, EventContext,
    payments::{DisputeClosed, DisputeOpened, RefundIssued, RefundMeans},
};
use rialto_kernel::{Amount, PlantedBug, RefundId, Timestamp};

/// The disputes that an order can have. Further ones aren't recorded.
pub const MAX_DISPUTES: usize = 10;

impl Payment {
    /// A recorded dispute.
    #[must_use]
    pub fn dispute(&self, dispute_id: &DisputeId) -> Option<&Dispute> {
        self.disputes.iter().find(|dispute| dispute.dispute_id == *dispute_id)
    }

    /// Whether the bank still has to decide a dispute. Nothing is refunded meanwhile.
    #[must_use]
    pub fn has_open_dispute(&self) -> bool {
        self.disputes.iter().any(|dispute| dispute.state == DisputeStanding::Open)
    }

    /// What lost disputes have taken.
    #[must_use]
    pub fn lost(&self) -> Amount {
        let taken = self.disputes.iter().map(|dispute| dispute.taken);
        Amount::sum(taken).unwrap_or(Amount::MAX)
    }

    /// What the provider has withdrawn for disputes, less what it has reinstated.
    #[must_use]
    pub fn withdrawn(&self) -> Amount {
        let withdrawn = self.disputes.iter().map(|dispute| dispute.withdrawn);
        Amount::sum(withdrawn).unwrap_or(Amount::MAX)
    }

    /// What lost disputes have taken of the capture, or of an attempt that succeeded beside it, and
    /// no refund was settled with.
    #[must_use]
    pub fn unsettled_loss(&self, attempt: Option<u32>) -> Amount {
        let intent = self.succeeded_intent(attempt);
        let disputes = self.disputes.iter().filter(|of| Some(&of.intent_id) == intent);
        let lost = Amount::sum(disputes.map(|dispute| dispute.taken)).unwrap_or(Amount::MAX);
        let refunds = self.refunds.iter().filter(|refund| refund.attempt == attempt);
        let settled = Amount::sum(refunds.map(|refund| refund.settled)).unwrap_or(Amount::MAX);
        lost.minus(settled).unwrap_or(Amount::ZERO)
    }

    /// Records the next difference between a dispute and what the provider reports of it: that it
    /// was opened, what was withdrawn or reinstated, or how it was decided, each with its event and
    /// ledger entry. The caller saves and repeats until there is none. A decision is final, and a
    /// report that is older than what is recorded changes nothing.
    #[must_use]
    pub fn record_dispute(
        &self,
        report: &DisputeReport,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        let Some(recorded) = self.dispute(&report.dispute_id) else {
            return self.add_dispute(report, now, cause);
        };
        if report.is_older_than(recorded) {
            return None;
        }
        let mut next = self.next();
        let dispute =
            next.disputes.iter_mut().find(|dispute| dispute.dispute_id == report.dispute_id)?;
        match (recorded.state, report.state) {
            (DisputeStanding::Warning, DisputeStanding::Warning) => None,
            (DisputeStanding::Warning, _) => {
                dispute.state = DisputeStanding::Open;
                dispute.amount = report.amount;
                let opened = next.opened(&report.dispute_id, now, cause);
                Some(PaymentUpdate { events: opened, ..self.without_event(next) })
            }
            _ if report.withdrawn != recorded.withdrawn => {
                dispute.withdrawn = report.withdrawn;
                self.move_money(next, recorded.withdrawn, report.withdrawn, now)
            }
            (DisputeStanding::Open, DisputeStanding::Won | DisputeStanding::Lost) => {
                dispute.state = report.state;
                self.close(next, report, now, cause)
            }
            (DisputeStanding::Lost, _) if recorded.taken < recorded.withdrawn => {
                self.take(next, report, now)
            }
            _ => None,
        }
    }

    fn add_dispute(
        &self,
        report: &DisputeReport,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        if self.disputes.len() >= MAX_DISPUTES {
            return None;
        }
        let is_warning = report.state == DisputeStanding::Warning;
        let mut next = self.next();
        next.disputes.push(Dispute {
            dispute_id: report.dispute_id.clone(),
            intent_id: report.intent_id.clone(),
            amount: report.amount,
            state: if is_warning { DisputeStanding::Warning } else { DisputeStanding::Open },
            withdrawn: Amount::ZERO,
            taken: Amount::ZERO,
        });
        let events =
            if is_warning { Vec::new() } else { next.opened(&report.dispute_id, now, cause) };
        Some(PaymentUpdate { events, ..self.without_event(next) })
    }

    /// DisputeOpened, as an event of this version.
    fn opened(&self, id: &DisputeId, now: Timestamp, cause: &EventContext) -> Vec<Event> {
        let dispute = self.dispute(id).into_iter();
        let opened = dispute.filter_map(|dispute| {
            Some(DisputeOpened {
                order_id: self.order_id,
                user_id: self.user_id,
                payment_id: self.payment_id,
                dispute_id: id.as_str().to_owned(),
                amount: dispute.amount,
                state: dispute.state.published()?,
            })
        });
        opened.map(|opened| Event::new(&opened, self.version, 0, now, cause)).collect()
    }

    /// The provider has withdrawn or reinstated money of a dispute.
    fn move_money(
        &self,
        next: Self,
        before: Amount,
        after: Amount,
        now: Timestamp,
    ) -> Option<PaymentUpdate> {
        let currency = self.charge.as_ref()?.currency;
        let (kind, amount) = match after.minus(before) {
            Ok(withdrawn) => (EntryKind::DisputeWithdrawn, withdrawn),
            Err(_) => (EntryKind::DisputeReinstated, before.minus(after).ok()?),
        };
        let entry = next.entry(kind, None, currency, amount, now);
        Some(PaymentUpdate { entry: Some(entry), ..self.without_event(next) })
    }

    /// The bank has decided. Refunds that waited for it are due at once.
    fn close(
        &self,
        mut next: Self,
        report: &DisputeReport,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        for refund in &mut next.refunds {
            let waits = refund.state == RefundState::Waiting || refund.retrying;
            if waits && !PlantedBug::WaitingRefundsNotDue.is_planted() {
                refund.retry_at = Some(now);
            }
        }
        let closed = DisputeClosed {
            order_id: self.order_id,
            user_id: self.user_id,
            payment_id: self.payment_id,
            dispute_id: report.dispute_id.as_str().to_owned(),
            amount: report.amount,
            state: report.state.published()?,
        };
        let events = vec![Event::new(&closed, next.version, 0, now, cause)];
        let is_taken = report.state == DisputeStanding::Lost && !report.withdrawn.is_zero();
        let update =
            if is_taken { self.take(next, report, now)? } else { self.without_event(next) };
        Some(PaymentUpdate { events, ..update })
    }

    /// What a lost dispute has withdrawn is the buyer's.
    fn take(
        &self,
        mut next: Self,
        report: &DisputeReport,
        now: Timestamp,
    ) -> Option<PaymentUpdate> {
        let currency = self.charge.as_ref()?.currency;
        let dispute =
            next.disputes.iter_mut().find(|dispute| dispute.dispute_id == report.dispute_id)?;
        let amount = dispute.withdrawn.minus(dispute.taken).ok()?;
        dispute.taken = dispute.withdrawn;
        let entry = next.entry(EntryKind::DisputeLost, None, currency, amount, now);
        Some(PaymentUpdate { entry: Some(entry), ..self.without_event(next) })
    }

    /// Records that an open refund waits because of a dispute, until the provider is asked again a
    /// day after `from`. A failed one that is tried again stays failed. `refused` says that the
    /// provider has refused the current try. `None` if another try has been recorded.
    #[must_use]
    pub fn wait_for_dispute(
        &self,
        tried: &Refund,
        refused: bool,
        from: Timestamp,
    ) -> Option<PaymentUpdate> {
        let mut next = self.next();
        let refund = next.refunds.iter_mut().find(|refund| *refund == tried)?;
        if !refund.is_open() {
            return None;
        }
        if refund.state == RefundState::Pending {
            refund.state = RefundState::Waiting;
        }
        refund.tries += u32::from(refused);
        refund.retry_at = Some(from.plus(DISPUTE_PAUSE));
        Some(self.without_event(next))
    }

    /// Takes the waiting refunds that are due further: they are pending again, or wait another day
    /// from `pause_from` if a dispute is open. `None` if no waiting refund is due.
    #[must_use]
    pub fn resume_refunds(&self, now: Timestamp, pause_from: Timestamp) -> Option<PaymentUpdate> {
        let is_blocked = self.has_open_dispute();
        let mut next = self.next();
        let mut is_due = false;
        for refund in &mut next.refunds {
            if refund.state != RefundState::Waiting || !refund.may_be_tried(now) {
                continue;
            }
            is_due = true;
            if is_blocked {
                refund.retry_at = Some(pause_from.plus(DISPUTE_PAUSE));
            } else {
                (refund.state, refund.retry_at) = (RefundState::Pending, None);
            }
        }
        is_due.then(|| self.without_event(next))
    }

    /// Settles an open refund, of which the provider has no try that may pay it, with what lost
    /// disputes have taken; only the rest is left to the provider. `None` if they took nothing that
    /// isn't settled.
    #[must_use]
    pub fn settle_by_dispute(
        &self,
        tried: &Refund,
        now: Timestamp,
        cause: &EventContext,
    ) -> Option<PaymentUpdate> {
        let currency = self.charge.as_ref()?.currency;
        let amount = self.unsettled_loss(tried.attempt).min(tried.payable());
        let mut next = self.next();
        let refund = next.refunds.iter_mut().find(|refund| *refund == tried)?;
        if amount.is_zero() || !refund.is_open() {
            return None;
        }
        let above = PlantedBug::SettledAboveLoss.is_planted();
        let amount = if above { tried.payable() } else { amount };
        refund.settled = refund.settled.plus(amount).ok()?;
        let was_due = refund.state == RefundState::Failed;
        if refund.payable().is_zero() {
            refund.failed_before += u32::from(was_due);
            refund.state = RefundState::Settled;
            (refund.retrying, refund.retry_at, refund.reason) = (false, None, None);
        } else {
            refund.issued_before += 1;
            // Another amount under the key of an earlier request would be refused.
            refund.tries += 1;
        }
        let (refund_id, line_no): (RefundId, _) = (refund.refund_id, refund.line_no);
        let (order_id, user_id, by) = (self.order_id, self.user_id, RefundMeans::Dispute);
        let issued = RefundIssued { order_id, user_id, line_no, amount, refund_id, by };
        let event = Event::new(&issued, next.version, 0, now, cause);
        next.state = next.refunded_state();
        // The buyer has had the money since the dispute was lost: only a debt is cleared.
        let entry = was_due.then(|| {
            next.entry(EntryKind::DueRefundSettled, Some(refund_id), currency, amount, now)
        });
        Some(PaymentUpdate {
            expected: Some(self.version),
            entry,
            events: vec![event],
            payment: next,
        })
    }
}

#[cfg(test)]
mod tests;
