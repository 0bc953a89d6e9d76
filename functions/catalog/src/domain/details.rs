//! The fields of a product that its seller sets.

pub use rialto_kernel::ImageUrl;
use rialto_kernel::{Amount, Fields, Text, text};
use serde::{Deserialize, Serialize};

pub type Title = Text<1, 200>;

/// Multi-line text of up to 5,000 characters in normalisation form C, with `\n` as the line ending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Description(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    #[error("must have at most {} characters", Description::MAX)]
    TooLong,
    #[error("must not contain control characters other than line breaks")]
    Control,
    #[error("must not contain the characters U+FFFE and U+FFFF")]
    Noncharacter,
}

impl Description {
    pub const MAX: usize = 5_000;

    /// # Errors
    /// [`DescriptionError`] for too many characters, for control characters other than line
    /// endings, and for noncharacters.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let text = text::nfc(text.replace("\r\n", "\n").trim());
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(DescriptionError::Control);
        }
        if text.chars().any(text::is_noncharacter) {
            return Err(DescriptionError::Noncharacter);
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

/// The maximum number of a product's images.
pub const MAX_IMAGES: usize = 10;

/// The maximum initial stock of a product, in units.
pub const MAX_INITIAL_STOCK: u32 = 1_000_000;

/// Parses image URLs. `None` if any is invalid or if there are too many, which `fields` records.
pub fn images(fields: &mut Fields, urls: &[String]) -> Option<Vec<ImageUrl>> {
    if urls.len() > MAX_IMAGES {
        fields.reject("images", format!("must have at most {MAX_IMAGES} URLs"));
        return None;
    }
    let images = urls.iter().enumerate();
    let images =
        images.map(|(at, url)| fields.field(format!("images[{at}]"), ImageUrl::parse(url)));
    // Collects twice, so that every invalid URL is recorded.
    images.collect::<Vec<_>>().into_iter().collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} minor units", Amount::MAX)]
pub struct PriceError;

/// A product's price: at least one minor unit.
///
/// # Errors
/// [`PriceError`] for less than one minor unit, or more than [`Amount::MAX`].
pub fn price(minor_units: i64) -> Result<Amount, PriceError> {
    Amount::new(minor_units).ok().filter(|amount| !amount.is_zero()).ok_or(PriceError)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 0 to {MAX_INITIAL_STOCK}")]
pub struct InitialStockError;

/// A product's initial stock in units.
///
/// # Errors
/// [`InitialStockError`] below zero or above [`MAX_INITIAL_STOCK`].
pub fn initial_stock(units: i64) -> Result<u32, InitialStockError> {
    u32::try_from(units).ok().filter(|units| *units <= MAX_INITIAL_STOCK).ok_or(InitialStockError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_may_contain_line_breaks_only_as_control_chars() {
        assert_eq!(
            Description::parse(" one\r\ntwo\n\nthree ").unwrap().as_str(),
            "one\ntwo\n\nthree"
        );
        assert_eq!(Description::parse("").unwrap(), Description::default());
        assert_eq!(Description::parse("a\tb"), Err(DescriptionError::Control));
        assert_eq!(Description::parse("a\rb"), Err(DescriptionError::Control));
        assert_eq!(Description::parse("a\u{fffe}b"), Err(DescriptionError::Noncharacter));
        assert_eq!(Description::parse("\u{ffff}"), Err(DescriptionError::Noncharacter));
        assert!(Description::parse(&"ä".repeat(5_000)).is_ok());
        assert_eq!(Description::parse(&"ä".repeat(5_001)), Err(DescriptionError::TooLong));
    }

    #[test]
    fn prices_and_initial_stock_are_bounded() {
        assert!(price(0).is_err() && price(-1).is_err() && price(i64::MAX).is_err());
        assert_eq!(price(1).unwrap().minor_units(), 1);
        assert!(initial_stock(-1).is_err() && initial_stock(1_000_001).is_err());
        assert_eq!(initial_stock(0), Ok(0));
        assert_eq!(initial_stock(1_000_000), Ok(1_000_000));
    }
}
