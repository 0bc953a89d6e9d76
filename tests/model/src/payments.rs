//! The calls of payments' functions: `on_stock_reserved`, `on_order_cancelled`, `receive_webhook`
//! and `sweep` of the service, one call of a port at a time.
//!
//! A write is repeated by the code after a conflict, with what is stored then. Nothing happens
//! between, so that both are one step here, taken at the time of the write that succeeds.

use crate::{
    model::{Answer, Mistake, Provider, SagaModel},
    state::{
        Call, Continuation, Event, Intent, Invocation, Payment, PaymentState, RefundState, Saga,
        Trigger,
    },
};

impl Intent {
    /// Whether the charge's outcome is known.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// Whether the provider or the buyer ends the charge.
    #[must_use]
    pub const fn is_left_to_others(self) -> bool {
        matches!(self, Self::Processing | Self::RequiresAction)
    }
}

impl Continuation {
    /// The next call of an invocation that settles charges and refunds.
    const fn call(self, late: bool) -> Option<Call> {
        match self {
            Self::Charge => Some(Call::Retrieve(Self::Charge)),
            Self::Buyer if late => Some(Call::Retrieve(Self::Charge)),
            Self::Buyer => None,
            Self::Refund => Some(Call::FindRefund),
            Self::End => None,
        }
    }

    /// The next call of an invocation that settles refunds only.
    const fn refund(self) -> Option<Call> {
        match self {
            Self::Refund => Some(Call::FindRefund),
            Self::Charge | Self::Buyer | Self::End => None,
        }
    }
}

impl Saga {
    /// The answers that the next call of an invocation can get.
    #[must_use]
    pub fn answers(&self, invocation: Invocation, provider: Provider) -> Vec<Answer> {
        let leaves = matches!(invocation.trigger, Trigger::Sweep | Trigger::OrderCancelled);
        match invocation.next {
            Call::CreateIntent if self.provider.refuses => vec![Answer::Refusal],
            Call::CreateIntent
                if self.provider.intents.is_empty() && provider == Provider::Complete =>
            {
                vec![Answer::Determined, Answer::Refusal]
            }
            Call::ConfirmIntent if self.recorded_intent() == Some(Intent::RequiresConfirmation) => {
                if provider == Provider::Prompt {
                    return [Intent::Succeeded, Intent::Failed].map(Answer::Charge).to_vec();
                }
                let states =
                    [Intent::Succeeded, Intent::Failed, Intent::Processing, Intent::RequiresAction];
                let answers =
                    states.map(|state| [Answer::Charge(state), Answer::LostCharge(state)]);
                answers.concat()
            }
            // The sweep leaves the payment to the next one, and a cancellation to the next
            // delivery, as after a crash.
            Call::CancelIntent if !leaves && provider == Provider::Complete => {
                vec![Answer::Determined, Answer::Lost]
            }
            _ => vec![Answer::Determined],
        }
    }

    pub(crate) fn end_invocation(&mut self, invocation: Invocation) {
        let mut others: Vec<_> = self.invocations.iter().collect();
        if let Some(at) = others.iter().position(|other| *other == invocation) {
            others.remove(at);
        }
        self.invocations.replace(&others);
    }

    /// An invocation's next call is `call`; without one it has ended, and its message was handled.
    pub(crate) fn go_on(&mut self, trigger: Trigger, call: Option<Call>) {
        match (call, trigger.delivery()) {
            (Some(next), _) => {
                let mut all: Vec<_> = self.invocations.iter().collect();
                all.push(Invocation { trigger, next });
                all.sort_unstable();
                self.invocations.replace(&all);
            }
            (None, Some(delivery)) => self.handled.insert(delivery),
            (None, None) => {}
        }
    }

    /// Cancels an intent, unless its charge has succeeded or it was canceled before.
    fn cancel_intent(&mut self, position: u8) -> bool {
        let refused = matches!(
            self.provider.intents.get(position),
            Some(Intent::Succeeded | Intent::Canceled) | None
        );
        if !refused {
            self.provider.intents.set(position, Intent::Canceled);
        }
        !refused
    }
}

impl SagaModel {
    /// The first call of an invocation; returns its next one.
    pub(crate) fn invoke(&self, saga: &mut Saga, trigger: Trigger, late: bool) -> Option<Call> {
        match trigger {
            Trigger::StockReserved => {
                let payment = *saga.payment.get_or_insert(Payment::pending());
                match payment.state {
                    PaymentState::Pending if !late => Some(Call::CreateIntent),
                    _ => payment.continuation().call(late),
                }
            }
            Trigger::OrderCancelled => {
                let Some(payment) = &mut saga.payment else {
                    if !self.makes(Mistake::KeepsNoTombstoneOfPayment) {
                        saga.payment = Some(Payment::tombstone());
                    }
                    return None;
                };
                match payment.state {
                    PaymentState::Pending => payment.state = PaymentState::Voided,
                    PaymentState::Processing => payment.cancel_requested = true,
                    PaymentState::RequiresAction => {
                        payment.cancel_requested = true;
                        return Some(Call::CancelIntent);
                    }
                    PaymentState::Captured
                        if payment.refund.is_none() && !self.makes(Mistake::KeepsMoney) =>
                    {
                        payment.refund = Some(RefundState::Pending);
                    }
                    _ => {}
                }
                payment.continuation().refund()
            }
            Trigger::Webhook => {
                let continuation = match saga.payment?.continuation() {
                    Continuation::Buyer => Continuation::Charge,
                    other => other,
                };
                Some(Call::Retrieve(continuation))
            }
            Trigger::Sweep => saga.payment?.continuation().call(late),
        }
    }

    /// A further call of an invocation; returns its next one.
    pub(crate) fn step(
        &self,
        saga: &mut Saga,
        invocation: Invocation,
        answer: Answer,
        late: bool,
    ) -> Option<Call> {
        match invocation.next {
            Call::CreateIntent if answer == Answer::Refusal => {
                saga.provider.refuses = true;
                Some(Call::RecordRefusal)
            }
            Call::CreateIntent => {
                let intents = &mut saga.provider.intents;
                let newest = if saga.provider.key_retained {
                    intents.len() as u8 - 1
                } else {
                    intents.push(Intent::RequiresConfirmation)
                };
                saga.provider.key_retained = true;
                Some(Call::RecordIntent(newest))
            }
            Call::RecordIntent(intent) => record_intent(saga, intent, late),
            Call::RecordRefusal => {
                let payment = saga.payment.as_mut()?;
                if payment.state == PaymentState::Pending {
                    payment.state = PaymentState::Failed;
                    saga.published.insert(Event::PaymentFailed);
                    return None;
                }
                payment.continuation().call(late)
            }
            Call::CancelUnrecorded { intent, then } => {
                saga.cancel_intent(intent);
                then.call(late)
            }
            Call::Retrieve(continuation) => {
                self.retrieve(saga.recorded_intent()?, invocation.trigger, continuation)
            }
            Call::RetrieveAgain => outcome(saga.recorded_intent()?).map(Call::RecordOutcome),
            Call::ReadPayment => {
                let payment = saga.payment?;
                let goes_on = payment.is_charging() && !payment.cancel_requested && !late;
                Some(if goes_on { Call::ConfirmIntent } else { Call::CancelIntent })
            }
            Call::ReadForAction => {
                let payment = saga.payment?;
                match payment.state {
                    _ if payment.cancel_requested || late => Some(Call::CancelIntent),
                    PaymentState::Processing => Some(Call::RecordAction),
                    PaymentState::RequiresAction => None,
                    _ => Some(Call::CancelIntent),
                }
            }
            Call::RecordAction => record_action(saga, late),
            Call::ConfirmIntent => confirm(saga, answer),
            Call::CancelIntent => {
                let canceled = saga.cancel_intent(saga.payment?.intent?);
                Some(match (canceled, answer) {
                    (true, Answer::Determined) => Call::RecordOutcome(Intent::Canceled),
                    (false, _)
                        if matches!(
                            invocation.trigger,
                            Trigger::Sweep | Trigger::OrderCancelled
                        ) =>
                    {
                        Call::RetrieveAgain
                    }
                    _ => Call::Retrieve(Continuation::Charge),
                })
            }
            Call::RecordOutcome(outcome) => self.record_outcome(saga, outcome),
            Call::FindRefund if saga.provider.refunds > 0 && !self.makes(Mistake::RefundsAgain) => {
                Some(Call::RecordRefund)
            }
            Call::FindRefund => Some(Call::CreateRefund),
            Call::CreateRefund => {
                // The same key gives the same refund.
                if saga.provider.refunds == 0
                    || (self.makes(Mistake::RefundsAgain) && saga.provider.refunds < 2)
                {
                    saga.provider.refunds += 1;
                }
                Some(Call::RecordRefund)
            }
            Call::RecordRefund => {
                let payment = saga.payment.as_mut()?;
                if payment.refund == Some(RefundState::Pending) {
                    payment.refund = Some(RefundState::Issued);
                    payment.state = PaymentState::Refunded;
                    saga.published.insert(Event::RefundIssued);
                }
                None
            }
        }
    }

    /// How an invocation goes on by the state of the intent that it has retrieved.
    fn retrieve(
        &self,
        intent: Intent,
        trigger: Trigger,
        continuation: Continuation,
    ) -> Option<Call> {
        match (outcome(intent), continuation, trigger) {
            (Some(outcome), Continuation::Charge, _) => Some(Call::RecordOutcome(outcome)),
            (Some(_), ..) | (None, _, Trigger::Webhook) => continuation.refund(),
            (None, _, Trigger::Sweep) => Some(Call::CancelIntent),
            (None, ..) => match intent {
                Intent::Processing => None,
                Intent::RequiresConfirmation if self.makes(Mistake::ConfirmsWithoutReading) => {
                    Some(Call::ConfirmIntent)
                }
                Intent::RequiresConfirmation => Some(Call::ReadPayment),
                Intent::RequiresAction => Some(Call::ReadForAction),
                _ => Some(Call::CancelIntent),
            },
        }
    }

    fn record_outcome(&self, saga: &mut Saga, outcome: Intent) -> Option<Call> {
        let payment = saga.payment.as_mut()?;
        match (outcome, payment.is_charging()) {
            (Intent::Succeeded, true) => {
                payment.state = PaymentState::Captured;
                if payment.cancel_requested && !self.makes(Mistake::IgnoresRequestedCancellations) {
                    payment.refund = Some(RefundState::Pending);
                }
                saga.published.insert(Event::PaymentCaptured);
            }
            (_, true) if payment.cancel_requested => {
                payment.state = PaymentState::Voided;
            }
            (_, true) => {
                payment.state = PaymentState::Failed;
                // Only what is out of time is cancelled, or what belongs to a cancelled order.
                payment.expired = outcome == Intent::Canceled;
                saga.published.insert(Event::PaymentFailed);
            }
            _ => {}
        }
        payment.continuation().refund()
    }
}

/// Records an intent if the payment is still PENDING. It can't have been confirmed, so that nothing
/// is read before.
fn record_intent(saga: &mut Saga, intent: u8, late: bool) -> Option<Call> {
    let payment = saga.payment.as_mut()?;
    if payment.state == PaymentState::Pending {
        payment.state = PaymentState::Processing;
        payment.intent = Some(intent);
        return Some(if late { Call::CancelIntent } else { Call::ConfirmIntent });
    }
    let then = payment.continuation();
    if payment.intent == Some(intent) {
        then.call(late)
    } else {
        Some(Call::CancelUnrecorded { intent, then })
    }
}

/// Leaves the charge to the buyer, unless its order was cancelled since the payment was read; out
/// of time, it is cancelled.
fn record_action(saga: &mut Saga, late: bool) -> Option<Call> {
    let payment = saga.payment.as_mut()?;
    if payment.state == PaymentState::Processing && !payment.cancel_requested {
        payment.state = PaymentState::RequiresAction;
        saga.published.insert(Event::PaymentActionRequired);
    }
    match payment.is_charging() {
        true if payment.cancel_requested || late => Some(Call::ReadForAction),
        true => None,
        false => payment.continuation().refund(),
    }
}

fn confirm(saga: &mut Saga, answer: Answer) -> Option<Call> {
    let position = saga.payment?.intent?;
    match answer {
        Answer::Charge(state) => {
            saga.provider.intents.set(position, state);
            match outcome(state) {
                Some(outcome) => Some(Call::RecordOutcome(outcome)),
                // The provider's webhook or the sweep brings the outcome.
                None if state == Intent::Processing => None,
                None => Some(Call::ReadForAction),
            }
        }
        Answer::LostCharge(state) => {
            saga.provider.intents.set(position, state);
            Some(Call::Retrieve(Continuation::Charge))
        }
        // Refused: the intent has been confirmed or canceled since.
        _ => Some(Call::Retrieve(Continuation::Charge)),
    }
}

/// The final state of an intent whose charge has ended.
const fn outcome(intent: Intent) -> Option<Intent> {
    match intent {
        Intent::Succeeded | Intent::Failed | Intent::Canceled => Some(intent),
        Intent::RequiresConfirmation | Intent::RequiresAction | Intent::Processing => None,
    }
}
