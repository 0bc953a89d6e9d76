//! The payment methods of the simulated provider.

use serde::{Deserialize, Serialize};

/// A test payment method, which determines how a charge ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestPaymentMethod {
    /// Succeeds.
    #[serde(rename = "pm_card_visa")]
    Visa,
    /// Is declined without a specific reason.
    #[serde(rename = "pm_card_chargeDeclined")]
    Declined,
    /// Is declined for insufficient funds.
    #[serde(rename = "pm_card_chargeDeclinedInsufficientFunds")]
    InsufficientFunds,
    /// Succeeds at once; the response is delayed.
    #[serde(rename = "pm_sim_slow")]
    Slow,
    /// Fails transiently three times, each time in another way, then succeeds.
    #[serde(rename = "pm_sim_flaky")]
    Flaky,
    /// Succeeds, but the response is lost.
    #[serde(rename = "pm_sim_lost")]
    Lost,
    /// Stays processing until a webhook reports its success.
    #[serde(rename = "pm_sim_async")]
    Async,
    /// Needs the buyer's authentication, which accepts or declines.
    #[serde(rename = "pm_sim_3ds")]
    ThreeDSecure,
    /// Stays processing for ever.
    #[serde(rename = "pm_sim_stuck")]
    Stuck,
    /// Succeeds, and is disputed at once.
    #[serde(rename = "pm_sim_dispute")]
    Dispute,
}

impl TestPaymentMethod {
    pub const ALL: [Self; 10] = [
        Self::Visa,
        Self::Declined,
        Self::InsufficientFunds,
        Self::Slow,
        Self::Flaky,
        Self::Lost,
        Self::Async,
        Self::ThreeDSecure,
        Self::Stuck,
        Self::Dispute,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visa => "pm_card_visa",
            Self::Declined => "pm_card_chargeDeclined",
            Self::InsufficientFunds => "pm_card_chargeDeclinedInsufficientFunds",
            Self::Slow => "pm_sim_slow",
            Self::Flaky => "pm_sim_flaky",
            Self::Lost => "pm_sim_lost",
            Self::Async => "pm_sim_async",
            Self::ThreeDSecure => "pm_sim_3ds",
            Self::Stuck => "pm_sim_stuck",
            Self::Dispute => "pm_sim_dispute",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_stored_under_its_name_in_the_api() {
        for method in TestPaymentMethod::ALL {
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
            assert_eq!(TestPaymentMethod::parse(method.as_str()), Some(method));
        }
        assert_eq!(TestPaymentMethod::parse("pm_card_visa "), None);
    }
}
