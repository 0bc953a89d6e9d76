//! The ports in memory, for fast tests and simulation.

mod disputes;

use super::{check_list_position, dynamodb::DEADLINES, list_position};
use crate::{
    domain::{
        dispute::DisputeReport,
        intent::{DeclineCode, IntentId, IntentState, NextAction},
        ledger::LedgerEntry,
        payment::{Charge, Payment, PaymentState, PaymentUpdate},
        refund::{Refund, RefundOutcome, RefundProgress},
    },
    ports::{
        ActionProvider, LedgerReader, PaymentLister, PaymentPage, PaymentReader, PaymentWriter,
        Provider, ProviderError,
    },
};
use rialto_contracts::Event;
use rialto_dynamo::MemoryDueList;
use rialto_kernel::{
    Amount, DueEntry, DueQueue, OrderId, PlantedBug, StoreError, Timestamp, Write,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The store's ports in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryPayments {
    state: Arc<Mutex<PaymentsState>>,
}

#[derive(Debug, Clone, Default)]
struct PaymentsState {
    payments: BTreeMap<OrderId, Payment>,
    /// When the sweep visits payments next.
    deadlines: MemoryDueList<OrderId>,
    entries: Vec<LedgerEntry>,
    published_events: Vec<Event>,
}

impl MemoryPayments {
    fn state(&self) -> MutexGuard<'_, PaymentsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy that later writes don't change.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    /// Every event written, in order.
    #[must_use]
    pub fn published_events(&self) -> Vec<Event> {
        self.state().published_events.clone()
    }

    /// The events written after the first `start`, in order.
    #[must_use]
    pub fn published_events_from(&self, start: usize) -> Vec<Event> {
        self.state().published_events.get(start..).unwrap_or_default().to_vec()
    }

    /// All payments.
    #[must_use]
    pub fn payments(&self) -> Vec<Payment> {
        self.state().payments.values().cloned().collect()
    }

    /// The ledger entries of all payments, oldest first.
    #[must_use]
    pub fn all_entries(&self) -> Vec<LedgerEntry> {
        self.state().entries.clone()
    }
}

impl PaymentReader for MemoryPayments {
    async fn payment(&self, order: OrderId) -> Result<Option<Payment>, StoreError> {
        Ok(self.state().payments.get(&order).cloned())
    }
}

impl PaymentLister for MemoryPayments {
    async fn list_all(
        &self,
        state: Option<PaymentState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<PaymentPage, StoreError> {
        check_list_position(position)?;
        let is_listed = |payment: &&Payment| {
            let is_after = position.is_none_or(|last| list_position(payment).as_str() < last);
            payment.created_at.is_some() && payment.is_in(state) && is_after
        };
        let stored = self.state();
        let mut payments: Vec<Payment> =
            stored.payments.values().filter(is_listed).cloned().collect();
        payments.sort_by_key(|payment| std::cmp::Reverse(list_position(payment)));
        let more = payments.len() > limit as usize;
        payments.truncate(limit as usize);
        let next = payments.last().filter(|_| more).map(list_position);
        Ok((payments, next))
    }
}

impl PaymentWriter for MemoryPayments {
    async fn save(&self, change: &PaymentUpdate) -> Result<Write<Box<Payment>>, StoreError> {
        let mut state = self.state();
        let order = change.payment.order_id;
        let stored = state.payments.get(&order);
        let early = stored.is_none() && change.payment.charge.is_none();
        if early && PlantedBug::EarlyCancellationNotVoided.is_planted() {
            return Ok(Write::Done);
        }
        if stored.map(|payment| payment.version) != change.expected
            && !PlantedBug::PaymentVersionNotChecked.is_planted()
        {
            let stored = stored
                .cloned()
                .ok_or_else(|| StoreError::Corrupt(format!("{order} has no payment")))?;
            return Ok(Write::Conflict(Box::new(stored)));
        }
        state.payments.insert(order, change.payment.clone());
        state.deadlines.set(order, change.payment.deadline());
        state.entries.extend(change.entry.clone());
        state.published_events.extend(change.events.iter().cloned());
        Ok(Write::Done)
    }
}

impl DueQueue for MemoryPayments {
    type Id = OrderId;
    const SHARDS: u8 = DEADLINES.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<OrderId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        Ok(self.state().deadlines.due(&DEADLINES, shard, now, after, limit))
    }

    async fn postpone(
        &self,
        entry: &DueEntry<OrderId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        Ok(self.state().deadlines.postpone(entry, until))
    }
}

impl LedgerReader for MemoryPayments {
    async fn entries(&self, order: OrderId) -> Result<Vec<LedgerEntry>, StoreError> {
        let state = self.state();
        Ok(state.entries.iter().filter(|entry| entry.order_id == order).cloned().collect())
    }
}

/// A provider in memory, with the real one's behaviour and the simulator's payment methods. Clones
/// share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryProvider {
    state: Arc<Mutex<ProviderState>>,
}

#[derive(Debug, Default)]
struct ProviderState {
    intents: BTreeMap<IntentId, Intent>,
    refunds: Vec<CreatedRefund>,
    disputes: Vec<DisputeReport>,
    /// Intents by their retained idempotency keys.
    intent_keys: BTreeMap<(OrderId, u32), IntentId>,
    /// The responses to refunds by their retained idempotency keys.
    refund_keys: BTreeMap<String, RefundProgress>,
    /// The code of refusals of refunds.
    refuse_refunds: Option<&'static str>,
    hold_refunds: bool,
    refuse_cancellations: bool,
    requests: u32,
}

#[derive(Debug)]
struct Intent {
    order: OrderId,
    amount: Amount,
    method: String,
    state: IntentState,
    /// Confirmations that failed without an effect.
    failed_confirmations: u32,
}

#[derive(Debug)]
struct CreatedRefund {
    /// The name of the try.
    name: String,
    intent: IntentId,
    amount: Amount,
    progress: RefundProgress,
}

impl CreatedRefund {
    fn is_issued(&self) -> bool {
        self.progress == RefundProgress::Ended(RefundOutcome::Issued)
    }

    fn has_failed(&self) -> bool {
        matches!(self.progress, RefundProgress::Ended(RefundOutcome::Failed { .. }))
    }
}

impl MemoryProvider {
    fn state(&self) -> MutexGuard<'_, ProviderState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        state
    }

    /// Drops all idempotency keys, as providers do after a day.
    pub fn drop_idempotency_keys(&self) {
        let mut state = self.state();
        state.intent_keys.clear();
        state.refund_keys.clear();
    }

    /// Refuses every refund from now on, with this code.
    pub fn refuse_refunds(&self, code: &'static str) {
        self.state().refuse_refunds = Some(code);
    }

    /// Makes refunds succeed again.
    pub fn accept_refunds(&self) {
        self.state().refuse_refunds = None;
    }

    /// Makes all refunds so far fail, also those that succeeded.
    pub fn take_refunds_back(&self) {
        for refund in &mut self.state().refunds {
            let reason = DeclineCode::new("expired_or_canceled_card");
            refund.progress = RefundProgress::Ended(RefundOutcome::Failed { reason });
        }
    }

    /// Leaves refunds pending from now on.
    pub fn hold_refunds(&self) {
        self.state().hold_refunds = true;
    }

    /// Makes refunds end at once again; those that are pending stay so.
    pub fn stop_holding_refunds(&self) {
        self.state().hold_refunds = false;
    }

    /// Ends all pending refunds with this outcome.
    pub fn end_refunds(&self, outcome: &RefundOutcome) {
        for refund in &mut self.state().refunds {
            if refund.progress == RefundProgress::Pending {
                refund.progress = RefundProgress::Ended(outcome.clone());
            }
        }
    }

    /// The number of an order's refunds in any state.
    #[must_use]
    pub fn created_refunds(&self, order: OrderId) -> usize {
        let state = self.state();
        let of = |refund: &&CreatedRefund| state.intents[&refund.intent].order == order;
        state.refunds.iter().filter(of).count()
    }

    /// Refuses to cancel processing intents from now on.
    pub fn refuse_cancellations(&self) {
        self.state().refuse_cancellations = true;
    }

    /// Makes a cancelled charge succeed, as no provider should.
    pub fn succeed_cancelled(&self, order: OrderId) {
        for intent in self.state().intents.values_mut().filter(|intent| intent.order == order) {
            intent.state = IntentState::Succeeded;
        }
    }

    /// Ends an order's processing charges in `state`.
    pub fn end_processing(&self, order: OrderId, state: &IntentState) {
        for intent in self.state().intents.values_mut().filter(|intent| intent.order == order) {
            if intent.state == IntentState::Processing {
                intent.state = state.clone();
            }
        }
    }

    /// Puts an intent into a state.
    pub fn set_state(&self, intent: &IntentId, state: IntentState) {
        if let Some(intent) = self.state().intents.get_mut(intent) {
            intent.state = state;
        }
    }

    /// The buyer accepts or declines an order's charges that require it; returns their number.
    pub fn act(&self, order: OrderId, accept: bool) -> usize {
        let reason = DeclineCode::new("payment_intent_authentication_failure");
        let acted = if accept { IntentState::Succeeded } else { IntentState::Failed { reason } };
        let mut state = self.state();
        let waiting = state
            .intents
            .values_mut()
            .filter(|intent| intent.order == order && intent.state == IntentState::RequiresAction);
        waiting.map(|intent| intent.state = acted.clone()).count()
    }

    /// An order's intents in any state, sorted by id.
    #[must_use]
    pub fn intents(&self, order: OrderId) -> Vec<IntentId> {
        let state = self.state();
        let of = |(_, intent): &(&IntentId, &Intent)| intent.order == order;
        state.intents.iter().filter(of).map(|(id, _)| id.clone()).collect()
    }

    /// The amounts of an order's successful charges.
    #[must_use]
    pub fn charges(&self, order: OrderId) -> Vec<Amount> {
        let state = self.state();
        let paid =
            |intent: &&Intent| intent.order == order && intent.state == IntentState::Succeeded;
        state.intents.values().filter(paid).map(|intent| intent.amount).collect()
    }

    /// The amounts of an order's refunds.
    #[must_use]
    pub fn refunds(&self, order: OrderId) -> Vec<Amount> {
        let state = self.state();
        let of = |refund: &&CreatedRefund| {
            state.intents[&refund.intent].order == order && refund.is_issued()
        };
        state.refunds.iter().filter(of).map(|refund| refund.amount).collect()
    }
}

impl ProviderState {
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
            "pm_card_authenticationRequired" | "pm_sim_3ds" => IntentState::RequiresAction,
            "pm_sim_async" => IntentState::Processing,
            "pm_sim_flaky" if self.failed_confirmations < 3 => {
                self.failed_confirmations += 1;
                return Err(match self.failed_confirmations {
                    1 => ProviderError::Busy {
                        reason: "too many requests".to_owned(),
                        retry_after: None,
                    },
                    _ => ProviderError::Unknown("overloaded".to_owned()),
                });
            }
            _ => IntentState::Succeeded,
        };
        if self.method == "pm_sim_lost" {
            return Err(ProviderError::Unknown("the connection was reset".to_owned()));
        }
        Ok(self.state.clone())
    }
}

impl ActionProvider for MemoryProvider {
    async fn next_action(&self, intent: &IntentId) -> Result<Option<NextAction>, ProviderError> {
        let required = self.state().intent(intent)?.state == IntentState::RequiresAction;
        let id = intent.as_str();
        Ok(required.then(|| NextAction {
            url: Some(format!("https://provider.example/{id}")),
            client_secret: Some(format!("{id}_secret_1")),
        }))
    }
}

impl Provider for MemoryProvider {
    async fn wait_to_repeat(&self, failures: u32, error: &ProviderError) -> bool {
        failures < 4 && matches!(error, ProviderError::Busy { .. } | ProviderError::Unknown(_))
    }

    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        let mut state = self.state();
        if let Some(existing) = state.intent_keys.get(&(order, charge.attempt)) {
            return Ok(existing.clone());
        }
        let method = charge.payment_method.clone();
        if !method.starts_with("pm_card_") && !method.starts_with("pm_sim_") {
            return Err(refused("resource_missing"));
        }
        let id = IntentId::parse(&format!("pi_{}_{order}", state.requests));
        let id = id.map_err(|error| ProviderError::Unknown(error.to_string()))?;
        let intent = Intent {
            order,
            amount: charge.total,
            method,
            state: IntentState::RequiresConfirmation,
            failed_confirmations: 0,
        };
        state.intents.insert(id.clone(), intent);
        state.intent_keys.insert((order, charge.attempt), id.clone());
        Ok(id)
    }

    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        Ok(self.state().intent(intent)?.state.clone())
    }

    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let mut state = self.state();
        let confirmed = state.intent(intent)?.confirm();
        state.dispute_by_method(intent)?;
        confirmed
    }

    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let mut state = self.state();
        let refuse = state.refuse_cancellations;
        let intent = state.intent(intent)?;
        if refuse && intent.state == IntentState::Processing {
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
        refund: &Refund,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let state = self.state();
        let created = state.refunds.iter();
        Ok(refund.progress(created.map(|found| (found.name.clone(), found.progress.clone()))))
    }

    async fn create_refund(
        &self,
        _: OrderId,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        let mut state = self.state();
        let charged = match state.intent(intent)? {
            Intent { state: IntentState::Succeeded, amount, .. } => *amount,
            _ => return Err(refused("charge_not_captured")),
        };
        if let Some(code) = state.refuse_refunds {
            return Err(refused(code));
        }
        let (name, amount) = (refund.try_name(), refund.payable());
        if let Some(response) = state.refund_keys.get(&name) {
            return Ok(response.clone());
        }
        let progress = if state.hold_refunds {
            RefundProgress::Pending
        } else {
            RefundProgress::Ended(RefundOutcome::Issued)
        };
        let earlier =
            state.refunds.iter().filter(|refund| refund.intent == *intent && !refund.has_failed());
        let refunded: i64 = earlier.map(|refund| refund.amount.minor_units()).sum();
        if refunded + amount.minor_units() > charged.minor_units() {
            return Err(refused("charge_already_refunded"));
        }
        if refunded + amount.minor_units() + state.disputed(intent) > charged.minor_units() {
            return Err(refused("charge_disputed"));
        }
        state.refund_keys.insert(name.clone(), progress.clone());
        let created = progress.clone();
        state.refunds.push(CreatedRefund { name, intent: intent.clone(), amount, progress });
        Ok(created)
    }
}
