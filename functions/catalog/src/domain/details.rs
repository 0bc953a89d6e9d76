//! What a seller says about a product.

pub use rialto_kernel::ImageUrl;
use rialto_kernel::{Amount, Text, text};
use serde::{Deserialize, Serialize};

pub type Title = Text<1, 200>;

/// Text of any number of lines, up to 5,000 characters in normal form C; line ends are `\n`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Description(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    #[error("must have at most {} characters", Description::MAX)]
    TooLong,
    #[error("must not contain control characters other than line ends")]
    Control,
}

impl Description {
    pub const MAX: usize = 5_000;

    /// # Errors
    /// [`DescriptionError`] for too many characters, or for control characters other than line ends.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let text = text::nfc(text.replace("\r\n", "\n").trim());
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(DescriptionError::Control);
        }
        if text.chars().count() > Self::MAX {
            return Err(DescriptionError::TooLong);
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many pictures a product has at most.
pub const MAX_IMAGES: usize = 10;

/// The most pieces that a product begins with.
pub const MAX_INITIAL_STOCK: u32 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} minor units", Amount::MAX)]
pub struct PriceError;

/// What a product costs: at least one minor unit.
///
/// # Errors
/// [`PriceError`] below that, or above what an [`Amount`] can be.
pub fn price(minor_units: i64) -> Result<Amount, PriceError> {
    Amount::new(minor_units).ok().filter(|amount| !amount.is_zero()).ok_or(PriceError)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 0 to {MAX_INITIAL_STOCK}")]
pub struct InitialStockError;

/// # Errors
/// [`InitialStockError`] below zero or above [`MAX_INITIAL_STOCK`].
pub fn initial_stock(pieces: i64) -> Result<u32, InitialStockError> {
    u32::try_from(pieces)
        .ok()
        .filter(|pieces| *pieces <= MAX_INITIAL_STOCK)
        .ok_or(InitialStockError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_lines_but_no_other_control_characters() {
        assert_eq!(
            Description::parse(" one\r\ntwo\n\nthree ").unwrap().as_str(),
            "one\ntwo\n\nthree"
        );
        assert_eq!(Description::parse("").unwrap(), Description::default());
        assert_eq!(Description::parse("a\tb"), Err(DescriptionError::Control));
        assert_eq!(Description::parse("a\rb"), Err(DescriptionError::Control));
        assert!(Description::parse(&"ä".repeat(5_000)).is_ok());
        assert_eq!(Description::parse(&"ä".repeat(5_001)), Err(DescriptionError::TooLong));
    }

    #[test]
    fn numbers_keep_to_their_limits() {
        assert!(price(0).is_err() && price(-1).is_err() && price(i64::MAX).is_err());
        assert_eq!(price(1).unwrap().minor_units(), 1);
        assert!(initial_stock(-1).is_err() && initial_stock(1_000_001).is_err());
        assert_eq!(initial_stock(0), Ok(0));
        assert_eq!(initial_stock(1_000_000), Ok(1_000_000));
    }
}
