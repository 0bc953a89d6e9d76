//! Disputes at the provider in memory.

use super::{Intent, MemoryProvider, ProviderState, refused};
use crate::{
    domain::{
        dispute::{DisputeId, DisputeReport, DisputeStanding},
        intent::{IntentId, IntentState},
    },
    ports::{DisputeProvider, ProviderError},
};
use rialto_kernel::{Amount, OrderId};

impl MemoryProvider {
    /// The bank disputes an amount of an order's charge, which is withdrawn at once. `None` if the
    /// order has no successful charge.
    pub fn open_dispute(&self, order: OrderId, amount: Amount) -> Option<DisputeId> {
        let mut state = self.state();
        let charged = |(_, of): &(&IntentId, &Intent)| {
            of.order == order && of.state == IntentState::Succeeded
        };
        let intent = state.intents.iter().find(charged)?.0.clone();
        state.open_dispute(&intent, amount, DisputeStanding::Open)
    }

    /// The bank inquires about an order's charge.
    pub fn warn(&self, order: OrderId, amount: Amount) -> Option<DisputeId> {
        let id = self.open_dispute(order, amount)?;
        self.set_dispute(&id, DisputeStanding::Warning, Amount::ZERO);
        Some(id)
    }

    /// The disputes of all orders.
    #[must_use]
    pub fn disputes(&self) -> Vec<DisputeReport> {
        self.state().disputes.clone()
    }

    /// The bank decides a dispute; what was withdrawn is reinstated if the shop wins.
    pub fn close_dispute(&self, id: &DisputeId, won: bool) {
        let amount = self.disputes().into_iter().find(|dispute| dispute.dispute_id == *id);
        let taken = amount.map_or(Amount::ZERO, |dispute| dispute.amount);
        match won {
            true => self.set_dispute(id, DisputeStanding::Won, Amount::ZERO),
            false => self.set_dispute(id, DisputeStanding::Lost, taken),
        }
    }

    /// Puts a dispute into a state.
    pub fn set_dispute(&self, id: &DisputeId, standing: DisputeStanding, withdrawn: Amount) {
        for dispute in &mut self.state().disputes {
            if dispute.dispute_id == *id {
                (dispute.state, dispute.withdrawn) = (standing, withdrawn);
            }
        }
    }
}

impl ProviderState {
    fn open_dispute(
        &mut self,
        intent: &IntentId,
        amount: Amount,
        state: DisputeStanding,
    ) -> Option<DisputeId> {
        let number = self.disputes.len() + 1;
        let dispute_id = DisputeId::parse(&format!("du_{number}"))?;
        self.disputes.push(DisputeReport {
            dispute_id: dispute_id.clone(),
            intent_id: intent.clone(),
            amount,
            state,
            withdrawn: amount,
        });
        Some(dispute_id)
    }

    /// Disputes a charge whose payment method asks for it.
    pub(super) fn dispute_by_method(&mut self, id: &IntentId) -> Result<(), ProviderError> {
        let (method, state, amount) = {
            let intent = self.intent(id)?;
            (intent.method.clone(), intent.state.clone(), intent.amount)
        };
        let is_disputed = self.disputes.iter().any(|dispute| dispute.intent_id == *id);
        if method == "pm_sim_dispute" && state == IntentState::Succeeded && !is_disputed {
            self.open_dispute(id, amount, DisputeStanding::Open);
        }
        Ok(())
    }

    /// What can't be refunded of a charge because of disputes: everything while one is open.
    pub(super) fn disputed(&self, intent: &IntentId) -> i64 {
        let of = self.disputes.iter().filter(|dispute| dispute.intent_id == *intent);
        of.map(|dispute| match dispute.state {
            DisputeStanding::Open => Amount::MAX.minor_units(),
            DisputeStanding::Lost => dispute.withdrawn.minor_units(),
            DisputeStanding::Warning | DisputeStanding::Won => 0,
        })
        .sum()
    }
}

impl DisputeProvider for MemoryProvider {
    async fn retrieve_dispute(&self, id: &DisputeId) -> Result<DisputeReport, ProviderError> {
        let state = self.state();
        let found = state.disputes.iter().find(|dispute| dispute.dispute_id == *id);
        found.cloned().ok_or_else(|| refused("resource_missing"))
    }

    async fn intent_order(&self, intent: &IntentId) -> Result<Option<OrderId>, ProviderError> {
        Ok(Some(self.state().intent(intent)?.order))
    }
}
