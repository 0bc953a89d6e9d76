//! The steps that take a payment further, whatever asked for it.

use crate::{
    domain::{
        intent::{ChargeOutcome, IntentId, IntentState},
        payment::{Payment, PaymentUpdate},
        refund::{RefundEnd, RefundProgress},
    },
    ports::{PaymentReader, PaymentWriter, Provider, ProviderError},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, OrderId, RefundId, StoreError, Timestamp, Write};

/// How often an intent is looked at, acted upon and looked at again before it is left to the queue's retry.
const ROUNDS: u32 = 4;

/// Why a payment didn't get to a state in which it can rest.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the charge of {0} can neither be confirmed nor cancelled")]
    Unresolvable(OrderId),
    #[error("the provider hasn't decided {0} yet")]
    RefundPending(RefundId),
}

/// Writes what `decide` makes of the payment; if somebody else was faster, what it makes of the payment as it is then.
pub(super) async fn update_payment(
    store: &impl PaymentWriter,
    mut payment: Payment,
    decide: impl Fn(&Payment) -> Option<PaymentUpdate>,
) -> Result<Payment, StoreError> {
    while let Some(change) = decide(&payment) {
        match store.save(&change).await? {
            Write::Done => return Ok(change.payment),
            Write::Conflict(there) => payment = *there,
        }
    }
    Ok(payment)
}

/// How the charge of a payment ended, having it confirmed, or cancelled if it mustn't be any more. None while the
/// provider is still at it.
///
/// `unconfirmed` says that the intent was made and recorded just now and nobody can have confirmed it.
pub(super) async fn settle_charge(
    store: &impl PaymentReader,
    provider: &impl Provider,
    payment: &Payment,
    intent: &IntentId,
    unconfirmed: bool,
    clock: &impl Clock,
) -> Result<Option<ChargeOutcome>, SettleError> {
    let mut state = if unconfirmed {
        IntentState::RequiresConfirmation
    } else {
        provider.retrieve_intent(intent).await?
    };
    let mut just_written = unconfirmed.then_some(payment);
    for _ in 0..ROUNDS {
        if let Some(end) = state.outcome() {
            return Ok(Some(end));
        }
        if state == IntentState::Processing {
            return Ok(None);
        }
        let confirms = state == IntentState::RequiresConfirmation
            && may_confirm(store, payment.order_id, just_written.take(), clock).await?;
        let answer = if confirms {
            provider.confirm_intent(intent).await
        } else {
            provider.cancel_intent(intent).await
        };
        state = match answer {
            // It isn't any more what it was: somebody else was faster.
            Err(ProviderError::Refused(_)) => provider.retrieve_intent(intent).await?,
            answer => answer?,
        };
    }
    Err(SettleError::Unresolvable(payment.order_id))
}

/// Whether an order's charge may be confirmed at this moment. Its payment is read for that, as it may have been marked
/// since; only what this attempt has just written isn't, so that a clean charge reads nothing.
async fn may_confirm(
    store: &impl PaymentReader,
    order: OrderId,
    just_written: Option<&Payment>,
    clock: &impl Clock,
) -> Result<bool, StoreError> {
    if let Some(payment) = just_written {
        return Ok(payment.may_confirm(clock.now()));
    }
    let there = store.payment(order).await?;
    Ok(there.is_some_and(|payment| payment.may_confirm(clock.now())))
}

/// How a charge ended whose time is over, having it cancelled if it hasn't. None if the provider won't cancel it either.
pub(super) async fn cancel_charge(
    provider: &impl Provider,
    intent: &IntentId,
) -> Result<Option<ChargeOutcome>, ProviderError> {
    let state = provider.retrieve_intent(intent).await?;
    if let Some(end) = state.outcome() {
        return Ok(Some(end));
    }
    let state = match provider.cancel_intent(intent).await {
        // It ended since, or what is under way can't be stopped.
        Err(ProviderError::Refused(_)) => provider.retrieve_intent(intent).await?,
        answer => answer?,
    };
    Ok(state.outcome())
}

/// Finishes the refunds that the payment has begun. Each is looked up at the provider before it is asked for.
pub(super) async fn settle_refunds(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    mut payment: Payment,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Payment, SettleError> {
    while let Some((intent, refund)) = payment.unfinished_refund() {
        let refund_id = refund.refund_id;
        let progress = match provider.find_refund(intent, refund_id).await? {
            Some(found) => found,
            None => match provider.create_refund(intent, refund).await {
                Err(ProviderError::Refused(reason)) => {
                    RefundProgress::Ended(RefundEnd::Failed { reason })
                }
                answer => answer?,
            },
        };
        let RefundProgress::Ended(end) = progress else {
            return Err(SettleError::RefundPending(refund_id));
        };
        payment = update_payment(store, payment, |payment| {
            payment.end_refund(refund_id, &end, now, cause)
        })
        .await?;
    }
    Ok(payment)
}
