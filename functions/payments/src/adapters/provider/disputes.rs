//! Disputes in Stripe's format.

use super::{HttpProvider, ProviderRequest};
use crate::{
    domain::{
        dispute::{DisputeId, DisputeReport, DisputeStanding},
        intent::IntentId,
    },
    ports::{DisputeProvider, ProviderError},
};
use rialto_kernel::{Amount, OrderId};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct DisputeBody {
    id: String,
    amount: i64,
    currency: String,
    payment_intent: Option<String>,
    status: String,
    #[serde(default)]
    balance_transactions: Vec<BalanceTransaction>,
}

/// A change of the shop's balance at the provider.
#[derive(Deserialize)]
struct BalanceTransaction {
    /// Below zero for what was withdrawn, without the provider's fee.
    amount: i64,
    currency: String,
}

#[derive(Deserialize)]
struct DisputedIntent {
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

fn invalid(what: &str) -> ProviderError {
    ProviderError::Unknown(format!("invalid dispute: {what}"))
}

impl DisputeBody {
    fn standing(&self) -> Result<DisputeStanding, ProviderError> {
        Ok(match self.status.as_str() {
            "needs_response" | "under_review" => DisputeStanding::Open,
            "won" => DisputeStanding::Won,
            "lost" => DisputeStanding::Lost,
            // A prevented dispute was resolved before it became one.
            status if status.starts_with("warning_") || status == "prevented" => {
                DisputeStanding::Warning
            }
            _ => return Err(invalid("unknown status")),
        })
    }

    fn report(&self) -> Result<DisputeReport, ProviderError> {
        let transactions = &self.balance_transactions;
        if transactions.iter().any(|transaction| transaction.currency != self.currency) {
            return Err(invalid("withdrawn in another currency"));
        }
        let withdrawn: i64 = transactions.iter().map(|transaction| -transaction.amount).sum();
        let intent = self.payment_intent.as_deref().ok_or_else(|| invalid("no payment intent"))?;
        Ok(DisputeReport {
            dispute_id: DisputeId::parse(&self.id).ok_or_else(|| invalid("id"))?,
            intent_id: IntentId::parse(intent).map_err(|error| invalid(&error.to_string()))?,
            amount: Amount::new(self.amount).map_err(|error| invalid(&error.to_string()))?,
            state: self.standing()?,
            withdrawn: Amount::new(withdrawn.max(0))
                .map_err(|error| invalid(&error.to_string()))?,
        })
    }
}

impl DisputeProvider for HttpProvider {
    async fn retrieve_dispute(&self, dispute: &DisputeId) -> Result<DisputeReport, ProviderError> {
        let path = format!("/v1/disputes/{}", dispute.as_str());
        self.fetch::<DisputeBody>(ProviderRequest::get(path)).await?.report()
    }

    async fn intent_order(&self, intent: &IntentId) -> Result<Option<OrderId>, ProviderError> {
        let path = format!("/v1/payment_intents/{}", intent.as_str());
        let intent: DisputedIntent = self.fetch(ProviderRequest::get(path)).await?;
        Ok(intent.metadata.get("order_id").and_then(|order| OrderId::parse(order).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(
        status: &str,
        amounts: &[i64],
        currency: &str,
    ) -> Result<DisputeReport, ProviderError> {
        let transactions: Vec<_> = amounts
            .iter()
            .map(|amount| json!({"amount": amount, "currency": currency, "fee": 1500}))
            .collect();
        let body = json!({
            "id": "du_1", "object": "dispute", "amount": 2500, "currency": "eur",
            "payment_intent": "pi_1", "status": status, "balance_transactions": transactions,
        });
        serde_json::from_value::<DisputeBody>(body).unwrap().report()
    }

    #[test]
    fn a_dispute_is_read_by_its_status_and_transactions() {
        let lost = report("lost", &[-2_500], "eur").unwrap();
        assert_eq!((lost.state, lost.withdrawn.minor_units()), (DisputeStanding::Lost, 2_500));
        assert_eq!((lost.amount.minor_units(), lost.intent_id.as_str()), (2_500, "pi_1"));
        let won = report("won", &[-2_500, 2_500], "eur").unwrap();
        assert_eq!((won.state, won.withdrawn), (DisputeStanding::Won, Amount::ZERO));
        for (status, expected) in [
            ("needs_response", DisputeStanding::Open),
            ("under_review", DisputeStanding::Open),
            ("warning_needs_response", DisputeStanding::Warning),
            ("warning_closed", DisputeStanding::Warning),
            ("prevented", DisputeStanding::Warning),
        ] {
            assert_eq!(report(status, &[], "eur").unwrap().state, expected, "{status}");
        }
    }

    #[test]
    fn an_unknown_dispute_changes_nothing() {
        for invalid in [report("new_status", &[], "eur"), report("lost", &[-1], "usd")] {
            assert!(matches!(invalid, Err(ProviderError::Unknown(_))), "{invalid:?}");
        }
    }
}
