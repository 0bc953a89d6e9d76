//! Disputes: the buyer's bank contests a charge, and takes its money if the shop loses.

use super::intent::IntentId;
use rialto_contracts::payments::DisputeState;
use rialto_kernel::Amount;
use serde::{Deserialize, Serialize};

/// The provider's id of a dispute, such as `du_1PqR`: letters, digits and underscores, so that it
/// is safe in a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DisputeId(IntentId);

impl DisputeId {
    /// `None` if `text` has another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        IntentId::parse(text).ok().map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisputeStanding {
    /// An inquiry, which may become a dispute. It blocks nothing and moves nothing.
    Warning,
    /// The bank hasn't decided.
    Open,
    Won,
    Lost,
}

impl DisputeStanding {
    /// The state that events report; `None` for an inquiry, which isn't published.
    #[must_use]
    pub const fn published(self) -> Option<DisputeState> {
        match self {
            Self::Warning => None,
            Self::Open => Some(DisputeState::Open),
            Self::Won => Some(DisputeState::Won),
            Self::Lost => Some(DisputeState::Lost),
        }
    }
}

/// A dispute as it is recorded in its payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    pub dispute_id: DisputeId,
    /// The disputed charge.
    pub intent_id: IntentId,
    pub amount: Amount,
    pub state: DisputeStanding,
    /// What the provider has withdrawn for it, less what it has reinstated.
    pub withdrawn: Amount,
    /// What it took for good, because it was lost.
    pub taken: Amount,
}

/// A dispute as the provider reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeReport {
    pub dispute_id: DisputeId,
    pub intent_id: IntentId,
    pub amount: Amount,
    pub state: DisputeStanding,
    /// What the provider has withdrawn for it, less what it has reinstated.
    pub withdrawn: Amount,
}

impl DisputeReport {
    /// Whether it was made before what is recorded was reported, or contradicts its decision. Money
    /// is withdrawn until the decision and from then on, if the shop has won, only reinstated.
    #[must_use]
    pub fn is_older_than(&self, recorded: &Dispute) -> bool {
        use DisputeStanding::{Lost, Open, Warning, Won};
        match (recorded.state, self.state) {
            (Warning, _) => false,
            (Open, Warning) => true,
            (Open, Open) => self.withdrawn < recorded.withdrawn,
            (Open, Won | Lost) => false,
            (Won, state) => state != Won || self.withdrawn > recorded.withdrawn,
            (Lost, state) => state != Lost || self.withdrawn < recorded.withdrawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispute_ids_are_safe_in_paths() {
        assert_eq!(DisputeId::parse("du_1PqR").unwrap().as_str(), "du_1PqR");
        assert_eq!(DisputeId::parse("du/../refunds"), None);
    }
}
