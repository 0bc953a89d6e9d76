//! The ports in memory, for speed and simulation.

use super::dynamodb::DEADLINES;
use crate::{
    domain::{
        intent::{DeclineCode, IntentId, IntentState},
        ledger::LedgerEntry,
        payment::{Charge, Payment, PaymentUpdate},
        refund::{Refund, RefundEnd, RefundProgress},
    },
    ports::{ExpiredPayments, LedgerReader, PaymentReader, PaymentWriter, Provider, ProviderError},
};
use rialto_contracts::Event;
use rialto_dynamo::DueEntry;
use rialto_kernel::{Amount, OrderId, RefundId, StoreError, Timestamp, Write};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The store's ports in memory. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryPayments {
    state: Arc<Mutex<Stored>>,
}

#[derive(Debug, Default)]
struct Stored {
    payments: BTreeMap<OrderId, Payment>,
    entries: Vec<LedgerEntry>,
    published_events: Vec<Event>,
}

impl MemoryPayments {
    fn state(&self) -> MutexGuard<'_, Stored> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event that a write announced, in order.
    #[must_use]
    pub fn published_events(&self) -> Vec<Event> {
        self.state().published_events.clone()
    }
}

impl PaymentReader for MemoryPayments {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        Ok(self.state().payments.get(&order).cloned())
    }
}

impl PaymentWriter for MemoryPayments {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        let mut state = self.state();
        let order = change.payment.order_id;
        let there = state.payments.get(&order);
        if there.map(|payment| payment.version) != change.expected {
            let there = there
                .cloned()
                .ok_or_else(|| StoreError::Corrupt(format!("{order} has no payment")))?;
            return Ok(Write::Conflict(Box::new(there)));
        }
        state.payments.insert(order, change.payment.clone());
        state.entries.extend(change.entry.clone());
        state.published_events.extend(change.events.iter().cloned());
        Ok(Write::Done)
    }
}

impl ExpiredPayments for MemoryPayments {
    async fn due_before(&self, now: Timestamp, limit: usize) -> Result<Vec<OrderId>, StoreError> {
        let state = self.state();
        let entries = state.payments.values().filter_map(|payment| {
            Some(DueEntry { deadline: payment.deadline()?, id: payment.order_id })
        });
        Ok(DEADLINES.select(entries, now, limit))
    }
}

impl LedgerReader for MemoryPayments {
    async fn entries(&self, order: OrderId) -> Result<Vec<LedgerEntry>, StoreError> {
        let state = self.state();
        Ok(state.entries.iter().filter(|entry| entry.order_id == order).cloned().collect())
    }
}

/// A provider in memory, with the habits of the real one and the simulator's means of payment. Clones share what they
/// hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryProvider {
    state: Arc<Mutex<Provided>>,
}

#[derive(Debug, Default)]
struct Provided {
    intents: BTreeMap<IntentId, Intent>,
    refunds: Vec<MadeRefund>,
    /// What was made under a key that is remembered.
    keys: BTreeMap<OrderId, IntentId>,
    refund_keys: BTreeSet<RefundId>,
    refuses_refunds: bool,
    refuses_cancellations: bool,
    /// Requests so far.
    asked: u32,
}

#[derive(Debug)]
struct Intent {
    order: OrderId,
    amount: Amount,
    method: String,
    state: IntentState,
    /// How often its confirmation failed before anything happened.
    trips: u32,
}

#[derive(Debug)]
struct MadeRefund {
    refund_id: RefundId,
    intent: IntentId,
    amount: Amount,
}

impl MemoryProvider {
    fn state(&self) -> MutexGuard<'_, Provided> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked += 1;
        state
    }

    /// Forgets which key led to what, as providers do after a day.
    pub fn forget_keys(&self) {
        let mut state = self.state();
        state.keys.clear();
        state.refund_keys.clear();
    }

    /// Refuses every refund from now on.
    pub fn refuse_refunds(&self) {
        self.state().refuses_refunds = true;
    }

    /// Cancels nothing that is processing, from now on.
    pub fn refuse_cancellations(&self) {
        self.state().refuses_cancellations = true;
    }

    /// Has a charge succeed that it called cancelled, as no provider should.
    pub fn succeed_after_all(&self, order: OrderId) {
        for intent in self.state().intents.values_mut().filter(|intent| intent.order == order) {
            intent.state = IntentState::Succeeded;
        }
    }

    /// Decides what is processing.
    pub fn decide(&self, order: OrderId, state: &IntentState) {
        for intent in self.state().intents.values_mut().filter(|intent| intent.order == order) {
            if intent.state == IntentState::Processing {
                intent.state = state.clone();
            }
        }
    }

    /// The charges of an order, whatever became of them, in the order of their names.
    #[must_use]
    pub fn intents(&self, order: OrderId) -> Vec<IntentId> {
        let state = self.state();
        let of = |(_, intent): &(&IntentId, &Intent)| intent.order == order;
        state.intents.iter().filter(of).map(|(id, _)| id.clone()).collect()
    }

    /// What was taken for an order, charge by charge.
    #[must_use]
    pub fn charges(&self, order: OrderId) -> Vec<Amount> {
        let state = self.state();
        let paid =
            |intent: &&Intent| intent.order == order && intent.state == IntentState::Succeeded;
        state.intents.values().filter(paid).map(|intent| intent.amount).collect()
    }

    /// What went back for an order, refund by refund.
    #[must_use]
    pub fn refunds(&self, order: OrderId) -> Vec<Amount> {
        let state = self.state();
        let of = |refund: &&MadeRefund| state.intents[&refund.intent].order == order;
        state.refunds.iter().filter(of).map(|refund| refund.amount).collect()
    }
}

impl Provided {
    fn intent(&mut self, id: &IntentId) -> Result<&mut Intent, ProviderError> {
        self.intents.get_mut(id).ok_or_else(|| refused("resource_missing"))
    }
}

fn refused(code: &str) -> ProviderError {
    ProviderError::Refused(DeclineCode::new(code))
}

impl Intent {
    fn confirm(&mut self) -> Result<IntentState, ProviderError> {
        if self.state != IntentState::RequiresConfirmation {
            return Err(refused("payment_intent_unexpected_state"));
        }
        let declined = |reason| IntentState::Failed { reason: DeclineCode::new(reason) };
        self.state = match self.method.as_str() {
            "pm_card_chargeDeclined" => declined("generic_decline"),
            "pm_card_chargeDeclinedInsufficientFunds" => declined("insufficient_funds"),
            "pm_card_authenticationRequired" => IntentState::RequiresAction,
            "pm_sim_async" => IntentState::Processing,
            "pm_sim_flaky" if self.trips < 3 => {
                self.trips += 1;
                return Err(ProviderError::Unknown("overloaded".to_owned()));
            }
            _ => IntentState::Succeeded,
        };
        if self.method == "pm_sim_lost" {
            return Err(ProviderError::Unknown("the connection was reset".to_owned()));
        }
        Ok(self.state.clone())
    }
}

impl Provider for MemoryProvider {
    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        let mut state = self.state();
        if let Some(known) = state.keys.get(&order) {
            return Ok(known.clone());
        }
        let method = charge.payment_method.clone();
        if !method.starts_with("pm_card_") && !method.starts_with("pm_sim_") {
            return Err(refused("resource_missing"));
        }
        let id = IntentId::parse(&format!("pi_{}_{order}", state.asked));
        let id = id.map_err(|error| ProviderError::Unknown(error.to_string()))?;
        let intent = Intent {
            order,
            amount: charge.total,
            method,
            state: IntentState::RequiresConfirmation,
            trips: 0,
        };
        state.intents.insert(id.clone(), intent);
        state.keys.insert(order, id.clone());
        Ok(id)
    }

    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        Ok(self.state().intent(intent)?.state.clone())
    }

    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        self.state().intent(intent)?.confirm()
    }

    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let mut state = self.state();
        let firm = state.refuses_cancellations;
        let intent = state.intent(intent)?;
        if firm && intent.state == IntentState::Processing {
            return Err(refused("payment_intent_unexpected_state"));
        }
        if matches!(intent.state, IntentState::Succeeded | IntentState::Canceled) {
            return Err(refused("payment_intent_unexpected_state"));
        }
        intent.state = IntentState::Canceled;
        Ok(IntentState::Canceled)
    }

    async fn find_refund(
        &self,
        _: &IntentId,
        refund: RefundId,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let found = self.state().refunds.iter().any(|made| made.refund_id == refund);
        Ok(found.then_some(RefundProgress::Ended(RefundEnd::Issued)))
    }

    async fn create_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        let mut state = self.state();
        let charged = match state.intent(intent)? {
            Intent { state: IntentState::Succeeded, amount, .. } => *amount,
            _ => return Err(refused("charge_not_captured")),
        };
        if state.refuses_refunds {
            return Err(refused("charge_disputed"));
        }
        let Refund { refund_id, amount, .. } = *refund;
        if state.refund_keys.contains(&refund_id) {
            return Ok(RefundProgress::Ended(RefundEnd::Issued));
        }
        let before = state.refunds.iter().filter(|made| made.intent == *intent);
        let before: i64 = before.map(|made| made.amount.minor_units()).sum();
        if before + amount.minor_units() > charged.minor_units() {
            return Err(refused("charge_already_refunded"));
        }
        state.refund_keys.insert(refund_id);
        state.refunds.push(MadeRefund { refund_id, intent: intent.clone(), amount });
        Ok(RefundProgress::Ended(RefundEnd::Issued))
    }
}
