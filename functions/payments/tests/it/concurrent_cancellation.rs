//! What happens while a step of a charge takes its time: its deadline passes, or its order is cancelled.

use crate::simulation::{
    CrashTiming,
    Event::{OrderCancelled, StockReserved},
    IN_TIME, MessageDelivery, Simulation, TOO_LATE, ready,
};
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, OrderId, RefundId, StoreError, Timestamp, Write};
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
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

/// An attempt to which something happens, once, while it waits for a step.
struct ChargeAttempt<'a> {
    world: &'a Simulation,
    happens: (Step, ConcurrentEvent),
    late: AtomicBool,
    confirmations: AtomicU32,
}

impl<'a> ChargeAttempt<'a> {
    /// Charges the order, as its event asks; how often it was confirmed.
    fn charge(world: &'a Simulation, step: Step, what: ConcurrentEvent) -> u32 {
        let attempt = Self {
            world,
            happens: (step, what),
            late: AtomicBool::new(false),
            confirmations: AtomicU32::new(0),
        };
        let (event, cause) = (world.stock_reserved(), EventContext::default());
        let charged = ready(on_stock_reserved(&attempt, &attempt, &event, &cause, &attempt));
        assert_eq!(charged.unwrap(), Write::Done);
        attempt.confirmations.into_inner()
    }

    fn passes(&self, step: Step) {
        if self.happens.0 != step {
            return;
        }
        match self.happens.1 {
            ConcurrentEvent::DeadlinePasses => self.late.store(true, Ordering::Relaxed),
            ConcurrentEvent::OrderIsCancelled => {
                ready(self.world.deliver(&MessageDelivery::new(OrderCancelled)));
            }
        }
    }
}

impl Clock for ChargeAttempt<'_> {
    fn now(&self) -> Timestamp {
        if self.late.load(Ordering::Relaxed) { TOO_LATE } else { IN_TIME }
    }
}

impl PaymentReader for ChargeAttempt<'_> {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        self.passes(Step::Read);
        self.world.store.payment(order).await
    }
}

impl PaymentWriter for ChargeAttempt<'_> {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        let saved = self.world.store.save(change).await;
        if change.payment.state == PaymentState::Processing {
            self.passes(Step::Save);
        }
        saved
    }
}

impl Provider for ChargeAttempt<'_> {
    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        self.passes(Step::Create);
        self.world.provider.create_intent(order, charge).await
    }
    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let state = self.world.provider.retrieve_intent(intent).await;
        self.passes(Step::Retrieve);
        state
    }
    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.confirmations.fetch_add(1, Ordering::Relaxed);
        self.world.provider.confirm_intent(intent).await
    }
    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.world.provider.cancel_intent(intent).await
    }
    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: RefundId,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        self.world.provider.find_refund(intent, refund).await
    }
    async fn create_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        self.world.provider.create_refund(intent, refund).await
    }
}

/// A payment whose charge the provider knows, and that nobody confirmed.
fn unconfirmed() -> Simulation {
    let world = Simulation::new("pm_card_visa");
    assert!(world.abandon(&MessageDelivery::new(StockReserved), (3, CrashTiming::Before)));
    world
}

#[test]
fn a_charge_that_is_made_known_too_slowly_is_not_confirmed_after_its_deadline() {
    for step in [Step::Create, Step::Save] {
        let world = Simulation::new("pm_card_visa");
        assert_eq!(
            ChargeAttempt::charge(&world, step, ConcurrentEvent::DeadlinePasses),
            0,
            "{step:?}"
        );
        let payment = world.check(false);
        assert_eq!(
            (payment.state, payment.reason),
            (PaymentState::Failed, Some(DeclineCode::new("canceled")))
        );
    }
}

#[test]
fn a_charge_that_is_looked_up_too_slowly_is_not_confirmed_after_its_deadline() {
    for step in [Step::Retrieve, Step::Read] {
        let world = unconfirmed();
        assert_eq!(
            ChargeAttempt::charge(&world, step, ConcurrentEvent::DeadlinePasses),
            0,
            "{step:?}"
        );
        let payment = world.check(false);
        assert_eq!(
            (payment.state, payment.reason),
            (PaymentState::Failed, Some(DeclineCode::new("canceled")))
        );
    }
}

#[test]
fn a_charge_that_comes_again_is_not_confirmed_when_its_order_is_cancelled_while_it_is_looked_up() {
    for step in [Step::Retrieve, Step::Read] {
        let world = unconfirmed();
        assert_eq!(
            ChargeAttempt::charge(&world, step, ConcurrentEvent::OrderIsCancelled),
            0,
            "{step:?}"
        );
        assert_eq!(world.check(true).state, PaymentState::Voided);
    }
}

#[test]
fn what_is_paid_though_its_order_was_cancelled_just_before_goes_back_at_once() {
    let world = Simulation::new("pm_card_visa");
    assert_eq!(ChargeAttempt::charge(&world, Step::Save, ConcurrentEvent::OrderIsCancelled), 1);
    assert_eq!(world.check(true).state, PaymentState::Refunded);
}
