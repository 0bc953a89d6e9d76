//! What buyers do about a failed payment, and the provider's late successes.

use crate::{
    faults::Fault,
    invocations::{Ending, Origin},
    io::ready,
    races::Race,
    workload::{Operation, PaymentOperation},
    world::World,
};
use rialto_kernel::OrderId;
use rialto_payments::{
    application::pay_again::{PayAgain, PayAgainError, pay_again},
    domain::intent::IntentState,
    ports::Provider as _,
};
use std::time::Duration;

impl World {
    /// Pays an order again, or puts it off until its payment has failed.
    pub(crate) fn pay_again(&mut self, operation: PaymentOperation) {
        let number = operation.placement;
        let order = self.workload.placements[number].order;
        let now = self.now();
        let failed = self.payment(order).is_some_and(|payment| payment.may_pay_again(now));
        // Some requests come at any time.
        if !failed && self.choose(20) < 19 {
            if let Some(waits) = operation.waits.checked_sub(1) {
                self.advance(Duration::from_millis(500));
                let later = PaymentOperation { waits, ..operation };
                self.workload.operations.push(Operation::PayAgain(later));
            }
            return;
        }
        let subject = order.to_string();
        let is_other = |operation: &Operation| matches!(operation, Operation::PayAgain(_));
        if self
            .invocations
            .values()
            .any(|other| other.subject == subject && other.operation.as_ref().is_some_and(is_other))
        {
            self.races.reach(Race::ConcurrentAttempts);
        }
        let id = self.next_id();
        let clock = self.clock();
        let (store, provider) = (self.payments_for(id), self.provider_for(id));
        let method = operation.method;
        self.note(|| format!("#{id} payments-pay-again: order {number} with {method}"));
        let origin = Origin::Request(Operation::PayAgain(operation));
        self.start(id, "payments-pay-again", subject, origin, async move {
            let key = operation.key.to_string();
            let request = PayAgain { order, payment_method: method, idempotency_key: &key };
            match pay_again(&store, &provider, &request, |_| true, None, &*clock).await {
                Ok(paid) => Ending::PaidAgain { replayed: paid.replayed },
                Err(PayAgainError::Store(_) | PayAgainError::EarlierCharge(_)) => {
                    Ending::Unanswered
                }
                Err(_) => Ending::Answered,
            }
        });
    }

    /// A charge that has failed or was cancelled succeeds after all, and the provider sends its
    /// webhook.
    pub(crate) fn succeed_late(&mut self, order: OrderId) {
        let Some(payment) = self.payment(order) else { return };
        let mut ended = self.provider.intents(order);
        ended.retain(|intent| {
            let state = ready(self.provider.retrieve_intent(intent));
            let has_ended = matches!(state, Ok(IntentState::Failed { .. } | IntentState::Canceled));
            // One that no attempt has recorded was never confirmed.
            has_ended && payment.attempt_of(intent).is_some()
        });
        if ended.is_empty() || !self.happens(Fault::LateSuccess) {
            return;
        }
        let intent = ended[self.choose(ended.len())].clone();
        self.note(|| format!("{} succeeds after all", intent.as_str()));
        self.provider.set_state(&intent, IntentState::Succeeded);
        self.webhooks.push(Operation::Webhook { order, intent, refund: None });
    }

    /// Records what the payments of a run show.
    pub(crate) fn record_payments(&mut self) {
        for payment in self.payments.payments() {
            let captured = payment.captured_attempt.unwrap_or(1);
            let expired =
                payment.reason.as_ref().is_some_and(|reason| reason.as_str() == "expired");
            for (race, reached) in [
                (Race::PaidAgain, payment.attempt() > 1),
                (Race::TimeToPayAgainEnded, payment.retry_ended),
                (
                    Race::EarlierAttemptCaptured,
                    !payment.captured.is_zero() && captured < payment.attempt(),
                ),
                (
                    Race::SuccessBesideCapture,
                    payment.refunds.iter().any(|refund| refund.attempt.is_some()),
                ),
                (Race::AuthenticatedCharge, payment.action_required && !payment.captured.is_zero()),
                (Race::AbandonedCharge, payment.action_required && expired),
            ] {
                if reached {
                    self.races.reach(race);
                }
            }
        }
    }
}
