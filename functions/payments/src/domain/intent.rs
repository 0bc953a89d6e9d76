//! Payment intents: charges at the provider.

use rialto_kernel::PlantedBug;
use serde::{Deserialize, Serialize};

/// The provider's id of an intent, such as `pi_3PqR`: letters, digits and underscores, so that it
/// is safe in a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct IntentId(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 255 letters, digits and underscores")]
pub struct IntentIdError;

impl IntentId {
    /// # Errors
    /// [`IntentIdError`] if `text` has another form.
    pub fn parse(text: &str) -> Result<Self, IntentIdError> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain && (1..=255).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IntentIdError)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for IntentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The state of an intent at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentState {
    /// Nothing is charged until the intent is confirmed.
    RequiresConfirmation,
    /// The buyer has to authenticate the charge.
    RequiresAction,
    /// The provider decides later.
    Processing,
    Succeeded,
    Failed {
        reason: DeclineCode,
    },
    Canceled,
    /// A state in which the charge can't end by itself, such as without a payment method.
    Unusable,
}

/// The final outcome of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    Captured,
    Failed {
        reason: DeclineCode,
    },
    /// Nothing was charged, and nothing can be any more.
    Canceled,
}

impl IntentState {
    /// The charge's outcome, if it has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<ChargeOutcome> {
        match self {
            Self::Succeeded => Some(ChargeOutcome::Captured),
            Self::Processing if PlantedBug::ProcessingTakenForSuccess.is_planted() => {
                Some(ChargeOutcome::Captured)
            }
            Self::RequiresAction if PlantedBug::ActionTakenForSuccess.is_planted() => {
                Some(ChargeOutcome::Captured)
            }
            Self::Failed { .. } if PlantedBug::DeclineTakenForSuccess.is_planted() => {
                Some(ChargeOutcome::Captured)
            }
            Self::Failed { reason } => Some(ChargeOutcome::Failed { reason: reason.clone() }),
            Self::Canceled => Some(ChargeOutcome::Canceled),
            Self::RequiresConfirmation
            | Self::RequiresAction
            | Self::Processing
            | Self::Unusable => None,
        }
    }
}

/// How the buyer can authenticate a charge. It lets its holder pay: it is neither stored nor
/// logged, and only shown to the buyer.
#[derive(Clone, PartialEq, Eq)]
pub struct NextAction {
    /// The page to send the buyer to; `None` if the provider's script has to show it.
    pub url: Option<String>,
    /// What the provider's script needs.
    pub client_secret: Option<String>,
}

impl std::fmt::Debug for NextAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NextAction { … }")
    }
}

/// The provider's code for a refusal, such as `insufficient_funds`.
///
/// It is stored and published, and so must not contain free text, which becomes `declined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeclineCode(String);

impl DeclineCode {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let is_code =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let valid = is_code && (1..=100).contains(&text.len());
        Self(if valid { text } else { "declined" }.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DeclineCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intent_ids_are_safe_in_paths() {
        assert_eq!(IntentId::parse("pi_3PqR").unwrap().as_str(), "pi_3PqR");
        for bad in ["", "pi/../refunds", "pi?x", "pi 1", &"p".repeat(256)] {
            assert_eq!(IntentId::parse(bad), Err(IntentIdError), "{bad}");
        }
    }

    #[test]
    fn a_next_action_is_not_logged() {
        let (url, client_secret) = (Some("https://a".to_owned()), Some("secret".to_owned()));
        let logged = format!("{:?}", NextAction { url, client_secret });
        assert!(!logged.contains("secret") && !logged.contains("https"), "{logged}");
    }

    #[test]
    fn decline_codes_contain_no_free_text() {
        assert_eq!(DeclineCode::new("insufficient_funds").as_str(), "insufficient_funds");
        for text in ["", "Your card 4242 was declined.", &"a".repeat(101)] {
            assert_eq!(DeclineCode::new(text).as_str(), "declined", "{text}");
        }
    }
}
