//! Disputes of charges as the simulated provider processes them.

use super::intent::{
    IntentTransition, PaymentIntent, PaymentIntentState, ProviderError, ProviderObject,
};
use rialto_kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// The dispute of a whole charge, of which an intent has at most one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderDispute {
    /// `du_` and the rest of the intent's id.
    pub id: String,
    pub intent: String,
    pub charge: String,
    pub amount: u64,
    pub currency: String,
    pub status: DisputeStatus,
    pub created: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// The amount is withdrawn until the dispute is decided.
    NeedsResponse,
    /// The amount is reinstated.
    Won,
    /// The amount is withdrawn for good.
    Lost,
}

/// The id of the intent that a dispute is about.
#[must_use]
pub fn intent_of(dispute: &str) -> Option<String> {
    dispute.strip_prefix("du_").map(|suffix| format!("pi_{suffix}"))
}

impl ProviderDispute {
    /// What was withdrawn, below zero, and reinstated.
    #[must_use]
    pub fn balance_changes(&self) -> Vec<i64> {
        let amount = i64::try_from(self.amount).unwrap_or(i64::MAX);
        match self.status {
            DisputeStatus::NeedsResponse | DisputeStatus::Lost => vec![-amount],
            DisputeStatus::Won => vec![-amount, amount],
        }
    }
}

impl PaymentIntent {
    /// The paid intent with a dispute of its charge.
    pub(super) fn disputed(self) -> Self {
        let suffix = self.id.strip_prefix("pi_").unwrap_or(&self.id);
        let dispute = ProviderDispute {
            id: format!("du_{suffix}"),
            intent: self.id.clone(),
            charge: self.charge.clone().unwrap_or_default(),
            amount: self.amount,
            currency: self.currency.clone(),
            status: DisputeStatus::NeedsResponse,
            created: self.created,
        };
        Self { state: PaymentIntentState::Succeeded, dispute: Some(dispute), ..self }
    }

    /// Whether a dispute prevents refunds: it is open, or has taken the whole charge.
    pub(super) fn blocks_refunds(&self) -> bool {
        self.dispute.as_ref().is_some_and(|dispute| dispute.status != DisputeStatus::Won)
    }

    /// Decides the intent's dispute. It can't be decided in another way afterwards.
    pub(super) fn close_dispute(&self, status: DisputeStatus) -> IntentTransition {
        let Some(dispute) = &self.dispute else {
            return IntentTransition::rejected(ProviderError::NotDisputed { id: self.id.clone() });
        };
        if dispute.status == status {
            return IntentTransition {
                intent: None,
                result: Ok(ProviderObject::Dispute(dispute.clone())),
                slow: false,
            };
        }
        if dispute.status != DisputeStatus::NeedsResponse {
            return IntentTransition::rejected(ProviderError::DisputeClosed {
                id: dispute.id.clone(),
            });
        }
        let closed = ProviderDispute { status, ..dispute.clone() };
        let intent = Self { dispute: Some(closed.clone()), ..self.next() };
        IntentTransition::changed(intent, Ok(ProviderObject::Dispute(closed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        intent::{IntentCommand, Metadata, NewPaymentIntent},
        method::TestPaymentMethod,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn disputed() -> PaymentIntent {
        let new = NewPaymentIntent {
            method: Some(TestPaymentMethod::Dispute),
            confirm: true,
            ..NewPaymentIntent::new("pi_1", 1_000, "eur")
        };
        IntentCommand::Create(new).decide(None, NOW).intent.unwrap()
    }

    fn close(intent: &PaymentIntent, status: DisputeStatus) -> IntentTransition {
        IntentCommand::CloseDispute { id: intent.id.clone(), status }.decide(Some(intent), NOW)
    }

    fn refund(intent: &PaymentIntent) -> IntentTransition {
        IntentCommand::Refund { id: intent.id.clone(), amount: None, metadata: Metadata::new() }
            .decide(Some(intent), NOW)
    }

    #[test]
    fn a_disputed_charge_is_paid_and_not_refunded() {
        let intent = disputed();
        let dispute = intent.dispute.clone().unwrap();
        assert_eq!((intent.state, dispute.id.as_str()), (PaymentIntentState::Succeeded, "du_1"));
        assert_eq!(intent_of(&dispute.id), Some(intent.id.clone()));
        assert_eq!(dispute.balance_changes(), [-1_000]);
        assert!(matches!(refund(&intent).result, Err(ProviderError::Disputed { .. })));
    }

    #[test]
    fn a_dispute_is_decided_once() {
        let intent = disputed();
        let won = close(&intent, DisputeStatus::Won).intent.unwrap();
        assert_eq!(won.dispute.as_ref().unwrap().balance_changes(), [-1_000, 1_000]);
        assert!(refund(&won).result.is_ok());
        let again = close(&won, DisputeStatus::Won);
        assert!(again.intent.is_none() && again.result.is_ok());
        let other = close(&won, DisputeStatus::Lost).result;
        assert!(matches!(other, Err(ProviderError::DisputeClosed { .. })));
        let lost = close(&intent, DisputeStatus::Lost).intent.unwrap();
        assert!(matches!(refund(&lost).result, Err(ProviderError::Disputed { .. })));
    }
}
