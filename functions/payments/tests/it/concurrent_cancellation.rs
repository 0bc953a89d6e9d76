//! A deadline that passes, or an order's cancellation, during a slow step of a charge.

use crate::simulation::{
    CrashTiming,
    Event::{OrderCancelled, StockReserved},
    IN_TIME, MessageDelivery, Simulation, TOO_LATE, ready,
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, OrderId, StoreError, Timestamp, Write};
use rialto_payments::{
    application::on_stock_reserved::on_stock_reserved,
    domain::{
        intent::{DeclineCode, IntentId, IntentState},
        payment::{Charge, Payment, PaymentState, PaymentUpdate},
        refund::{Refund, RefundProgress},
    },
    ports::{PaymentReader, PaymentWriter, Provider, ProviderError},
};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChargeStep {
    Create,
    Save,
    Retrieve,
    Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConcurrentEvent {
    DeadlinePasses,
    OrderIsCancelled,
}

/// An attempt to charge during one of whose steps a concurrent event happens.
struct ChargeAttempt<'a> {
    simulation: &'a Simulation,
    concurrent: (ChargeStep, ConcurrentEvent),
    deadline_passed: AtomicBool,
    confirmations: AtomicU32,
}

impl<'a> ChargeAttempt<'a> {
    /// Charges the order; returns the number of confirmations.
    fn charge(simulation: &'a Simulation, step: ChargeStep, event: ConcurrentEvent) -> u32 {
        let attempt = Self {
            simulation,
            concurrent: (step, event),
            deadline_passed: AtomicBool::new(false),
            confirmations: AtomicU32::new(0),
        };
        let (event, cause) = (simulation.stock_reserved(), EventContext::default());
        let charged =
            ready(on_stock_reserved(&attempt, &attempt, &event, Duration::ZERO, &cause, &attempt));
        assert!(charged.is_ok(), "{charged:?}");
        attempt.confirmations.into_inner()
    }

    fn on_step(&self, step: ChargeStep) {
        if self.concurrent.0 != step {
            return;
        }
        match self.concurrent.1 {
            ConcurrentEvent::DeadlinePasses => self.deadline_passed.store(true, Ordering::Relaxed),
            ConcurrentEvent::OrderIsCancelled => {
                ready(self.simulation.deliver(&MessageDelivery::new(OrderCancelled)));
            }
        }
    }
}

impl Clock for ChargeAttempt<'_> {
    fn now(&self) -> Timestamp {
        if self.deadline_passed.load(Ordering::Relaxed) { TOO_LATE } else { IN_TIME }
    }
}

impl PaymentReader for ChargeAttempt<'_> {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.on_step(ChargeStep::Read);
        self.simulation.store.payment(order).await
    }
}

impl PaymentWriter for ChargeAttempt<'_> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        let saved = self.simulation.store.save(change).await;
        if change.payment.state == PaymentState::Processing {
            self.on_step(ChargeStep::Save);
        }
        saved
    }
}

impl Provider for ChargeAttempt<'_> {
    async fn wait_to_repeat(&self, failures: u32, error: &ProviderError) -> bool {
        self.simulation.provider.wait_to_repeat(failures, error).await
    }
    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        self.on_step(ChargeStep::Create);
        self.simulation.provider.create_intent(order, charge).await
    }
    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let state = self.simulation.provider.retrieve_intent(intent).await;
        self.on_step(ChargeStep::Retrieve);
        state
    }
    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.confirmations.fetch_add(1, Ordering::Relaxed);
        self.simulation.provider.confirm_intent(intent).await
    }
    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.simulation.provider.cancel_intent(intent).await
    }
    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        self.simulation.provider.find_refund(intent, refund).await
    }
    async fn create_refund(
        &self,
        order: OrderId,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        self.simulation.provider.create_refund(order, intent, refund).await
    }
}

/// A payment with a recorded, unconfirmed intent.
fn unconfirmed_charge() -> Simulation {
    let simulation = Simulation::new("pm_card_visa");
    assert!(simulation.abandon(&MessageDelivery::new(StockReserved), (3, CrashTiming::Before)));
    simulation
}

/// The deadline passes during `step`, and the charge is cancelled instead of confirmed.
fn assert_not_confirmed_when_late(simulation: &Simulation, step: ChargeStep) {
    let confirmed = ChargeAttempt::charge(simulation, step, ConcurrentEvent::DeadlinePasses);
    assert_eq!(confirmed, 0, "{step:?}");
    let payment = simulation.check(false);
    assert_eq!(
        (payment.state, payment.reason),
        (PaymentState::Failed, Some(DeclineCode::new("expired")))
    );
}

#[test]
fn a_slowly_created_charge_is_not_confirmed_after_its_deadline() {
    for step in [ChargeStep::Create, ChargeStep::Save] {
        let simulation = Simulation::new("pm_card_visa");
        assert_not_confirmed_when_late(&simulation, step);
    }
}

#[test]
fn a_slowly_retrieved_charge_is_not_confirmed_when_late() {
    for step in [ChargeStep::Retrieve, ChargeStep::Read] {
        let simulation = unconfirmed_charge();
        assert_not_confirmed_when_late(&simulation, step);
    }
}

#[test]
fn a_repeated_charge_is_not_confirmed_after_a_cancellation() {
    for step in [ChargeStep::Retrieve, ChargeStep::Read] {
        let simulation = unconfirmed_charge();
        assert_eq!(
            ChargeAttempt::charge(&simulation, step, ConcurrentEvent::OrderIsCancelled),
            0,
            "{step:?}"
        );
        assert_eq!(simulation.check(true).state, PaymentState::Voided);
    }
}

#[test]
fn an_intent_created_during_a_cancellation_is_cancelled() {
    let simulation = Simulation::new("pm_card_visa");
    let step = ChargeStep::Create;
    let confirmed = ChargeAttempt::charge(&simulation, step, ConcurrentEvent::OrderIsCancelled);
    assert_eq!((confirmed, simulation.check(true).state), (0, PaymentState::Voided));
    let intents = simulation.provider.intents(simulation.order);
    assert_eq!(intents.len(), 1);
    let state = ready(simulation.provider.retrieve_intent(&intents[0]));
    assert_eq!(state, Ok(IntentState::Canceled));
}

#[test]
fn a_charge_confirmed_after_a_cancellation_is_refunded() {
    let simulation = Simulation::new("pm_card_visa");
    assert_eq!(
        ChargeAttempt::charge(&simulation, ChargeStep::Save, ConcurrentEvent::OrderIsCancelled),
        1
    );
    assert_eq!(simulation.check(true).state, PaymentState::Refunded);
}
