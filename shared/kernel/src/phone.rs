//! Telephone numbers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A telephone number: 5 to 15 digits, with a leading `+` if it starts with a country code. Spaces
/// and hyphens are dropped.
// Personal data: never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = r"^[ -]*(\+[ -]*[1-9]|[0-9])([ -]*[0-9]){4,14}[ -]*$")]
pub struct Phone(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 5 to 15 digits, with a leading + before a country code")]
pub struct PhoneError;

impl Phone {
    /// # Errors
    /// [`PhoneError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let number: String = text.trim().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let international = number.strip_prefix('+');
        let digits = international.unwrap_or(&number);
        // No country code starts with 0.
        let dialled = !international.is_some_and(|digits| digits.starts_with('0'));
        if dialled && (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        {
            Ok(Self(number))
        } else {
            Err(PhoneError)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Phone {
    type Error = PhoneError;
    fn try_from(text: String) -> Result<Self, PhoneError> {
        Self::parse(&text)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_is_5_to_15_digits_after_an_optional_plus() {
        assert_eq!(Phone::parse(" +49 170-1234567 ").unwrap().as_str(), "+491701234567");
        for good in ["01701234567", "12345", "123456789012345"] {
            assert_eq!(Phone::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "+", "1234", "1234567890123456", "12a45", "++12345", "12345+", "+0123456789"]
        {
            assert_eq!(Phone::parse(bad), Err(PhoneError), "{bad}");
        }
    }

    #[test]
    fn a_phone_number_is_not_printed() {
        assert_eq!(format!("{:?}", Phone::parse("+491701234567").unwrap()), "Phone(..)");
    }
}
