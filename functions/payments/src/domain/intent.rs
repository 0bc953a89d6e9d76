//! A charge as the provider sees it.

use serde::{Deserialize, Serialize};

/// The provider's name for a charge, such as `pi_3PqR`: letters, digits and underscores, so that it fits into a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct IntentId(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 255 letters, digits and underscores")]
pub struct IntentIdError;

impl IntentId {
    /// # Errors
    /// [`IntentIdError`] for any other form.
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

/// How far a charge is, as the provider tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentState {
    /// Nothing was charged, and nothing will be until it is confirmed.
    RequiresConfirmation,
    /// It wants something of the buyer, who isn't there any more.
    RequiresAction,
    /// The provider will know later.
    Processing,
    Succeeded,
    Failed {
        reason: DeclineCode,
    },
    Canceled,
}

/// How a charge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    Captured,
    Failed { reason: DeclineCode },
}

impl IntentState {
    /// How the charge ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<ChargeOutcome> {
        match self {
            Self::Succeeded => Some(ChargeOutcome::Captured),
            Self::Failed { reason } => Some(ChargeOutcome::Failed { reason: reason.clone() }),
            Self::Canceled => Some(ChargeOutcome::Failed { reason: DeclineCode::new("canceled") }),
            Self::RequiresConfirmation | Self::RequiresAction | Self::Processing => None,
        }
    }
}

/// Why the provider refuses something, in its own word, such as `insufficient_funds`.
///
/// It is stored and published, so it is nothing but a word: of any other text only `declined` is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeclineCode(String);

impl DeclineCode {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let word = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let known = word && (1..=100).contains(&text.len());
        Self(if known { text } else { "declined" }.to_owned())
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
    fn an_intents_id_fits_into_a_path() {
        assert_eq!(IntentId::parse("pi_3PqR").unwrap().as_str(), "pi_3PqR");
        for bad in ["", "pi/../refunds", "pi?x", "pi 1", &"p".repeat(256)] {
            assert_eq!(IntentId::parse(bad), Err(IntentIdError), "{bad}");
        }
    }

    #[test]
    fn a_code_is_a_word() {
        assert_eq!(DeclineCode::new("insufficient_funds").as_str(), "insufficient_funds");
        for text in ["", "Your card 4242 was declined.", &"a".repeat(101)] {
            assert_eq!(DeclineCode::new(text).as_str(), "declined", "{text}");
        }
    }
}
