//! The charge of an attempt, from its intent to its outcome.

use super::charge_steps::{SettleError, settle_refunds, settle_started_charge};
use crate::{
    domain::{
        intent::{ChargeOutcome, IntentState},
        payment::{Payment, PaymentState},
    },
    ports::{PaymentReader, PaymentWriter, Provider, ProviderError},
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, PlantedBug, Write};

/// Charges an order, continuing where the payment stands: the intent is created, recorded,
/// confirmed and its outcome recorded. A charge that is left to the buyer isn't touched.
pub(super) async fn charge_order(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    payment: Payment,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, SettleError> {
    let started = start_charge(store, provider, payment, cause, clock).await?;
    let settled = continue_charge(store, provider, started, cause, clock).await?;
    let now = clock.now();
    settle_refunds(store, provider, settled, now, now, cause).await
}

struct StartedCharge {
    payment: Payment,
    /// The intent was recorded just now, so that it can't have been confirmed.
    unconfirmed: bool,
}

/// Creates the intent at the provider and records its id, or that the provider refuses the charge.
async fn start_charge(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    payment: Payment,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<StartedCharge, SettleError> {
    let unchanged = |payment| Ok(StartedCharge { payment, unconfirmed: false });
    let charge = match &payment.charge {
        Some(charge)
            if payment.state == PaymentState::Pending && payment.may_charge(clock.now()) =>
        {
            charge
        }
        _ => return unchanged(payment),
    };
    let change = match provider.create_intent(payment.order_id, charge).await {
        Ok(intent) => {
            if PlantedBug::ConfirmedBeforeRecorded.is_planted() {
                provider.confirm_intent(&intent).await.ok();
            }
            payment.record_intent(&intent, clock.now())
        }
        Err(ProviderError::Refused(reason)) => {
            payment.settle(&ChargeOutcome::Failed { reason }, clock.now(), cause)
        }
        Err(error) => return Err(error.into()),
    };
    let Some(change) = change else { return unchanged(payment) };
    match store.save(&change).await? {
        Write::Done => Ok(StartedCharge { payment: change.payment, unconfirmed: true }),
        // A concurrent attempt may have started the charge, about which a refusal of this attempt
        // says nothing.
        Write::Conflict(stored) => {
            cancel_unrecorded(provider, &change.payment, &stored).await;
            unchanged(*stored)
        }
    }
}

/// Cancels the intent of an attempt that couldn't record it, because the order was cancelled
/// meanwhile. It was never confirmed: if it can't be cancelled, it stays without an effect.
async fn cancel_unrecorded(provider: &impl Provider, attempt: &Payment, stored: &Payment) {
    let Some(intent) = &attempt.intent_id else { return };
    if stored.attempt_of(intent).is_some() {
        return;
    }
    if let Err(error) = provider.cancel_intent(intent).await {
        let (order, intent) = (stored.order_id, intent.as_str());
        tracing::warn!(%order, intent, %error, "unused intent not cancelled");
    }
}

/// Settles the started charge, unless it is left to the buyer.
async fn continue_charge(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    started: StartedCharge,
    cause: &EventContext,
    clock: &(impl Clock + ?Sized),
) -> Result<Payment, SettleError> {
    let StartedCharge { payment, unconfirmed } = started;
    let intent = match &payment.intent_id {
        Some(intent) if payment.is_charging() && !payment.waits_for_buyer(clock.now()) => {
            intent.clone()
        }
        _ => return Ok(payment),
    };
    let known = unconfirmed.then_some(IntentState::RequiresConfirmation);
    settle_started_charge(store, provider, payment, &intent, known, cause, clock).await
}
