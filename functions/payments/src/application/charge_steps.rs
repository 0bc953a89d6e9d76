//! Steps of charges and refunds that several use cases share.

use crate::{
    domain::{
        intent::{ChargeOutcome, IntentId, IntentState},
        payment::{Payment, PaymentUpdate},
        refund::{Refund, RefundOutcome, RefundProgress},
    },
    ports::{PaymentReader, PaymentWriter, Provider, ProviderError},
};
use rialto_contracts::EventContext;
use rialto_kernel::{
    Clock, OrderId, PlantedBug, RefundId, StoreError, Timestamp, Write, store::MAX_ATTEMPTS,
};

/// Steps of an intent whose state keeps changing, before the message is left to the queue's retry.
/// Failed requests don't count.
const MAX_ROUNDS: u32 = 4;

/// A charge or refund could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("charge of {0} can neither be confirmed nor cancelled")]
    Unresolvable(OrderId),
}

/// Saves the update that `decide` makes of the payment. After a conflict, `decide` continues from
/// the stored payment, [`MAX_ATTEMPTS`] times at most; `None` leaves the payment unchanged.
pub(super) async fn update_payment(
    store: &impl PaymentWriter,
    mut payment: Payment,
    decide: impl Fn(&Payment) -> Option<PaymentUpdate>,
) -> Result<Payment, StoreError> {
    // Not `store::update`: a conflict carries the stored payment, which needn't be loaded again.
    for _ in 0..MAX_ATTEMPTS {
        let Some(change) = decide(&payment) else { return Ok(payment) };
        match store.save(&change).await? {
            Write::Done => return Ok(change.payment),
            Write::Conflict(stored) if PlantedBug::PaymentConflictTakenForDone.is_planted() => {
                return Ok(*stored);
            }
            Write::Conflict(stored) => payment = *stored,
        }
    }
    Err(StoreError::Contended)
}

/// How far a charge has come at the provider.
pub(super) enum ChargeProgress {
    Ended(ChargeOutcome),
    /// The provider decides later.
    Processing,
    /// The buyer has to authenticate the charge. With the payment as it was read then.
    ActionRequired(Box<Payment>),
}

/// Settles a started charge as far as the provider has, and records that. `known` is the state of
/// the intent, if it was read just now.
pub(super) async fn settle_started_charge(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    mut payment: Payment,
    intent: &IntentId,
    mut known: Option<IntentState>,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, SettleError> {
    // Left to the buyer twice: after a cancellation was stored meanwhile, the intent is cancelled.
    for _ in 0..MAX_ROUNDS {
        let state = known.take();
        let (read, state) = match settle_charge(store, provider, &payment, intent, state, clock)
            .await?
        {
            ChargeProgress::Ended(outcome) => {
                let settle =
                    |payment: &Payment| payment.settle_intent(intent, &outcome, clock.now(), cause);
                return Ok(update_payment(store, payment, settle).await?);
            }
            ChargeProgress::Processing => (payment, IntentState::Processing),
            ChargeProgress::ActionRequired(read) => (*read, IntentState::RequiresAction),
        };
        payment = record_progress(store, read, intent, &state, cause, clock).await?;
        let left = state == IntentState::Processing || payment.waits_for_buyer(clock.now());
        if left || !payment.is_charging() || payment.intent_id.as_ref() != Some(intent) {
            return Ok(payment);
        }
        known = Some(state);
    }
    Err(SettleError::Unresolvable(payment.order_id))
}

/// Records the state of an intent whose charge hasn't ended.
pub(super) async fn record_progress(
    store: &impl PaymentWriter,
    payment: Payment,
    intent: &IntentId,
    state: &IntentState,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, StoreError> {
    let record = |payment: &Payment| match state {
        // Another attempt has followed.
        _ if payment.intent_id.as_ref() != Some(intent) => None,
        IntentState::RequiresAction => payment.require_action(clock.now(), cause),
        IntentState::Processing => payment.resume_processing(),
        _ => None,
    };
    update_payment(store, payment, record).await
}

/// Settles a charge: confirms its intent, or cancels it if it must not be charged any more. It
/// stays open while the provider or the buyer has to act. After every failed request the intent is
/// retrieved before another, so that no confirmation is repeated for a charge that has begun, and
/// the message isn't left to the queue for one that has ended.
///
/// `known` is the state of the intent, if it was read just now. One that requires confirmation was
/// created and recorded just now, so that it can't have been confirmed.
async fn settle_charge(
    store: &impl PaymentReader,
    provider: &impl Provider,
    payment: &Payment,
    intent: &IntentId,
    known: Option<IntentState>,
    clock: &(impl Clock + ?Sized),
) -> Result<ChargeProgress, SettleError> {
    let unconfirmed = known == Some(IntentState::RequiresConfirmation);
    let mut state = match known {
        Some(state) => state,
        None => provider.retrieve_intent(intent).await?,
    };
    let mut just_written = unconfirmed.then_some(payment);
    let (mut rounds, mut failures) = (0, 0);
    let mut unrepeatable = None;
    while rounds < MAX_ROUNDS {
        if let Some(outcome) = state.outcome() {
            return Ok(ChargeProgress::Ended(outcome));
        }
        if state == IntentState::Processing {
            return Ok(ChargeProgress::Processing);
        }
        let going_on = match state {
            IntentState::RequiresConfirmation | IntentState::RequiresAction => {
                let just_written = just_written.take();
                going_on(store, payment.order_id, intent, just_written, clock).await?
            }
            _ => None,
        };
        let confirm = match (&state, going_on) {
            (IntentState::RequiresAction, Some(payment)) => {
                return Ok(ChargeProgress::ActionRequired(Box::new(payment)));
            }
            (_, going_on) => going_on.is_some(),
        };
        if let Some(error) = unrepeatable {
            return Err(SettleError::Provider(error));
        }
        let response = if confirm {
            provider.confirm_intent(intent).await
        } else {
            provider.cancel_intent(intent).await
        };
        state = match response {
            Ok(state) => {
                rounds += 1;
                state
            }
            // Its state has changed since it was read.
            Err(ProviderError::Refused(_)) => {
                rounds += 1;
                provider.retrieve_intent(intent).await?
            }
            Err(error @ ProviderError::Unrepeatable(_)) => {
                unrepeatable = Some(error);
                provider.retrieve_intent(intent).await?
            }
            Err(error) => {
                failures += 1;
                if !provider.wait_to_repeat(failures, &error).await {
                    return Err(error.into());
                }
                provider.retrieve_intent(intent).await?
            }
        };
    }
    Err(SettleError::Unresolvable(payment.order_id))
}

/// The payment, if its charge may go on now. It is read again, because its order may
/// have been cancelled since; only a payment that was written just now isn't, so that a charge
/// without complications reads nothing.
async fn going_on(
    store: &impl PaymentReader,
    order: OrderId,
    intent: &IntentId,
    just_written: Option<&Payment>,
    clock: &(impl Clock + ?Sized),
) -> Result<Option<Payment>, StoreError> {
    let stored = match just_written {
        Some(payment) => Some(payment.clone()),
        None => store.payment(order).await?,
    };
    Ok(stored.filter(|payment| {
        payment.intent_id.as_ref() == Some(intent) && payment.may_go_on(clock.now())
    }))
}

/// Cancels a charge past its deadline, unless it has ended, and returns its outcome. `None` if the
/// provider can't cancel it yet.
pub(super) async fn cancel_charge(
    provider: &impl Provider,
    intent: &IntentId,
) -> Result<Option<ChargeOutcome>, ProviderError> {
    let state = provider.retrieve_intent(intent).await?;
    match state.outcome() {
        Some(outcome) => Ok(Some(outcome)),
        None => cancel_open_charge(provider, intent).await,
    }
}

/// Cancels a charge that may still be open, and returns its outcome. `None` if the provider can't
/// cancel it yet.
pub(super) async fn cancel_open_charge(
    provider: &impl Provider,
    intent: &IntentId,
) -> Result<Option<ChargeOutcome>, ProviderError> {
    Ok(cancel_or_retrieve(provider, intent).await?.outcome())
}

/// Cancels an intent, or retrieves the state in which it can't be cancelled.
pub(super) async fn cancel_or_retrieve(
    provider: &impl Provider,
    intent: &IntentId,
) -> Result<IntentState, ProviderError> {
    match provider.cancel_intent(intent).await {
        // It has ended since it was read, or it can't be stopped.
        Err(ProviderError::Refused(_)) => provider.retrieve_intent(intent).await,
        response => response,
    }
}

/// Settles the payment's open refunds, as far as the provider has. Each is looked up there before
/// it is created; while a dispute is open, none is created, and what lost disputes have taken pays
/// them first. What stays open is left to the provider's webhook and the sweep. The pause before
/// another try of a refused one counts from `pause_from`.
pub(super) async fn settle_refunds(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    mut payment: Payment,
    now: Timestamp,
    pause_from: Timestamp,
    cause: &EventContext,
) -> Result<Payment, SettleError> {
    let open = payment.refunds.iter().filter(|refund| refund.is_open());
    for refund_id in open.map(|refund| refund.refund_id).collect::<Vec<_>>() {
        let mut attempts = 0..MAX_ATTEMPTS;
        // After a conflict the provider is read again: an outcome that was read before another was
        // recorded must not replace it.
        while let Some(refund) = payment.refund(refund_id).filter(|refund| refund.is_open()) {
            attempts.next().ok_or(StoreError::Contended)?;
            let Some(intent) = payment.refunded_intent(refund) else { break };
            let tried = try_refund(provider, &payment, intent, refund, now).await?;
            let is_settled_in_part = matches!(tried, TriedRefund::PaidByDispute);
            let change = match tried {
                TriedRefund::Unsettled => None,
                TriedRefund::RefusedForNow => payment.retry_refund(refund, pause_from),
                TriedRefund::Disputed { refused } => {
                    payment.wait_for_dispute(refund, refused, pause_from)
                }
                TriedRefund::PaidByDispute => payment.settle_by_dispute(refund, now, cause),
                TriedRefund::Ended(outcome) => {
                    payment.settle_refund(refund_id, &outcome, now, cause)
                }
            };
            let Some(change) = change else { break };
            match store.save(&change).await? {
                // The rest is left to the provider.
                Write::Done if is_settled_in_part => payment = change.payment,
                Write::Done => {
                    payment = change.payment;
                    break;
                }
                Write::Conflict(stored) => payment = *stored,
            }
        }
    }
    Ok(payment)
}

/// Records what the provider says about a refund in any state.
pub(super) async fn record_refund(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    mut payment: Payment,
    intent: &IntentId,
    refund_id: RefundId,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Payment, SettleError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(refund) = payment.refund(refund_id) else { return Ok(payment) };
        let change = match provider.find_refund(intent, refund).await? {
            Some(RefundProgress::Ended(outcome)) => {
                payment.settle_refund(refund_id, &outcome, now, cause)
            }
            Some(RefundProgress::Pending) | None => None,
        };
        let Some(change) = change else { return Ok(payment) };
        match store.save(&change).await? {
            Write::Done => return Ok(change.payment),
            Write::Conflict(stored) => payment = *stored,
        }
    }
    Err(StoreError::Contended.into())
}

/// The result of trying an open refund.
enum TriedRefund {
    /// The provider decides later, or the next try isn't due yet.
    Unsettled,
    /// Another try is to follow.
    RefusedForNow,
    /// A dispute is open, or the provider has refused the try because of one.
    Disputed {
        refused: bool,
    },
    /// What lost disputes have taken pays it first.
    PaidByDispute,
    Ended(RefundOutcome),
}

/// Looks an open refund up at the provider, and creates it there if it doesn't exist.
async fn try_refund(
    provider: &impl Provider,
    payment: &Payment,
    intent: &IntentId,
    refund: &Refund,
    now: Timestamp,
) -> Result<TriedRefund, ProviderError> {
    let mut refund = refund.clone();
    if PlantedBug::RefundKeyPerDelivery.is_planted() {
        refund.tries = u32::try_from(now.millis() % 1_000_000_000).unwrap_or(2);
    }
    let progress = match provider.find_refund(intent, &refund).await? {
        Some(found) => found,
        None if !refund.may_be_tried(now) => return Ok(TriedRefund::Unsettled),
        None if payment.has_open_dispute() && !PlantedBug::RefundSentInDispute.is_planted() => {
            return Ok(TriedRefund::Disputed { refused: false });
        }
        None if !payment.unsettled_loss(refund.attempt).is_zero() => {
            return Ok(TriedRefund::PaidByDispute);
        }
        None => match provider.create_refund(payment.order_id, intent, &refund).await {
            Err(ProviderError::Refused(reason)) if Refund::may_be_tried_again(&reason) => {
                tracing::warn!(refund = %refund.refund_id, %reason, "refund refused for now");
                return Ok(TriedRefund::RefusedForNow);
            }
            Err(ProviderError::Refused(reason))
                if Refund::is_disputed(&reason)
                    && !PlantedBug::DisputedRefundFailed.is_planted() =>
            {
                return Ok(TriedRefund::Disputed { refused: true });
            }
            Err(ProviderError::Unknown(_)) if PlantedBug::LostRefundTakenForDone.is_planted() => {
                RefundProgress::Ended(RefundOutcome::Issued)
            }
            Err(ProviderError::Refused(reason)) => {
                RefundProgress::Ended(RefundOutcome::Failed { reason })
            }
            response => response?,
        },
    };
    Ok(match progress {
        RefundProgress::Ended(outcome) => TriedRefund::Ended(outcome),
        RefundProgress::Pending => TriedRefund::Unsettled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::pending;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A store in which another write comes first, each time.
    #[derive(Default)]
    struct ContendedStore {
        writes: AtomicU32,
    }

    impl PaymentWriter for ContendedStore {
        async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
            let writes = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(writes < 1_000, "the update has no bound");
            let stored = Payment { version: change.payment.version, ..pending() };
            Ok(Write::Conflict(Box::new(stored)))
        }
    }

    #[tokio::test]
    async fn an_update_that_keeps_conflicting_is_contended() {
        let store = ContendedStore::default();
        let update = |payment: &Payment| payment.cancel(&EventContext::default());
        let updated = update_payment(&store, pending(), update).await;
        assert_eq!(updated, Err(StoreError::Contended));
        assert_eq!(store.writes.into_inner(), MAX_ATTEMPTS);
    }

    #[tokio::test]
    async fn an_update_is_not_written_if_nothing_changes() {
        let store = ContendedStore::default();
        let updated = update_payment(&store, pending(), |_| None).await;
        assert_eq!((updated, store.writes.into_inner()), (Ok(pending()), 0));
    }
}
