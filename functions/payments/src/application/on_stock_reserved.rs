use super::charge_steps::{SettleError, settle_charge, settle_refunds, update_payment};
use crate::{
    domain::{
        intent::ChargeOutcome,
        payment::{Payment, PaymentState},
    },
    ports::{PaymentReader, PaymentWriter, Provider, ProviderError},
};
use rialto_contracts::{EventContext, inventory::StockReserved};
use rialto_kernel::{Clock, StoreError, Write};

/// Why the reservation is left to the queue's retry, which goes by what the provider says then.
#[derive(Debug, thiserror::Error)]
pub enum OnStockReservedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Step(#[from] SettleError),
}

/// Charges the order, in three writes: that it is to be charged, the provider's name for the charge before it is
/// confirmed, and its end. From wherever an earlier attempt left it, it goes on; too late or cancelled, it isn't begun.
/// The clock is asked before each step that mustn't come too late, as those before it may have taken their time.
///
/// # Errors
/// [`OnStockReservedError`]: the event has to come again.
pub async fn on_stock_reserved(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    event: &StockReserved,
    cause: &EventContext,
    clock: &impl Clock,
) -> Result<Write, OnStockReservedError> {
    let opened = Payment::pending(event, cause);
    let (found, version) = match store.save(&opened).await? {
        Write::Done => (opened.payment, 0),
        Write::Conflict(there) => (*there.clone(), there.version),
    };
    let begun = start_charge(store, provider, found, cause, clock).await?;
    let ended = end(store, provider, begun, cause, clock).await?;
    let payment = settle_refunds(store, provider, ended, clock.now(), cause).await?;
    Ok(if payment.version == version { Write::Conflict(()) } else { Write::Done })
}

/// A payment, and whether its charge was begun just now, so that nobody can have confirmed it.
struct StartedCharge {
    payment: Payment,
    unconfirmed: bool,
}

/// Has the provider know of the charge, and records by which name; or that the provider won't have it.
async fn start_charge(
    store: &impl PaymentWriter,
    provider: &impl Provider,
    payment: Payment,
    cause: &EventContext,
    clock: &impl Clock,
) -> Result<StartedCharge, OnStockReservedError> {
    let rests = |payment| Ok(StartedCharge { payment, unconfirmed: false });
    let charge = match &payment.charge {
        Some(charge)
            if payment.state == PaymentState::Pending && payment.may_charge(clock.now()) =>
        {
            charge
        }
        _ => return rests(payment),
    };
    let change = match provider.create_intent(payment.order_id, charge).await {
        Ok(intent) => payment.record_intent(&intent),
        Err(ProviderError::Refused(reason)) => {
            payment.settle(&ChargeOutcome::Failed { reason }, clock.now(), cause)
        }
        Err(error) => return Err(SettleError::from(error).into()),
    };
    let Some(change) = change else { return rests(payment) };
    match store.save(&change).await? {
        Write::Done => Ok(StartedCharge { payment: change.payment, unconfirmed: true }),
        // Whoever was faster may have begun it: a refusal of this attempt says nothing of that charge.
        Write::Conflict(there) => rests(*there),
    }
}

/// Has the provider end the charge, and records how.
async fn end(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    begun: StartedCharge,
    cause: &EventContext,
    clock: &impl Clock,
) -> Result<Payment, OnStockReservedError> {
    let StartedCharge { payment, unconfirmed } = begun;
    let intent = match &payment.intent_id {
        Some(intent) if payment.state == PaymentState::Processing => intent,
        _ => return Ok(payment),
    };
    match settle_charge(store, provider, &payment, intent, unconfirmed, clock).await? {
        None => Ok(payment),
        Some(end) => {
            Ok(update_payment(store, payment, |payment| payment.settle(&end, clock.now(), cause))
                .await?)
        }
    }
}
