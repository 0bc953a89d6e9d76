use serde::{Deserialize, Serialize};

/// A way to pay, by what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestPaymentMethod {
    /// Pays.
    #[serde(rename = "pm_card_visa")]
    Visa,
    /// Is declined, without a reason.
    #[serde(rename = "pm_card_chargeDeclined")]
    Declined,
    /// Is declined: the account is empty.
    #[serde(rename = "pm_card_chargeDeclinedInsufficientFunds")]
    InsufficientFunds,
    /// Pays at once, and answers late.
    #[serde(rename = "pm_sim_slow")]
    Slow,
    /// Fails three times, each in its own way and before anything happened, then pays.
    #[serde(rename = "pm_sim_flaky")]
    Flaky,
    /// Pays, and then the answer is lost.
    #[serde(rename = "pm_sim_lost")]
    Lost,
    /// Says neither yes nor no: what becomes of it is told later.
    #[serde(rename = "pm_sim_async")]
    Async,
    /// Says neither yes nor no, and never will by itself.
    #[serde(rename = "pm_sim_stuck")]
    Stuck,
}

impl TestPaymentMethod {
    pub const ALL: [Self; 8] = [
        Self::Visa,
        Self::Declined,
        Self::InsufficientFunds,
        Self::Slow,
        Self::Flaky,
        Self::Lost,
        Self::Async,
        Self::Stuck,
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
            Self::Stuck => "pm_sim_stuck",
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
    fn a_method_is_stored_by_the_name_that_clients_use() {
        for method in TestPaymentMethod::ALL {
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
            assert_eq!(TestPaymentMethod::parse(method.as_str()), Some(method));
        }
        assert_eq!(TestPaymentMethod::parse("pm_card_visa "), None);
    }
}
