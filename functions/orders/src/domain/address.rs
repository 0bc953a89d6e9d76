use rialto_kernel::Text;
use serde::{Deserialize, Serialize};

/// Where an order goes, and to whom. Personal: it never leaves on the bus or in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub receiver: Text<1, 80>,
    pub line1: Text<1, 120>,
    pub line2: Option<Text<1, 120>>,
    pub zipcode: Text<1, 12>,
    pub phone: Phone,
    pub drop_off: DropOff,
    pub note: Option<Text<1, 200>>,
}

/// Where a parcel is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DropOff {
    Door,
    #[serde(rename = "SELF")]
    Own,
    Office,
    Post,
    Etc,
}

/// Why a text names no place to leave a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be DOOR, SELF, OFFICE, POST or ETC")]
pub struct DropOffError;

impl std::str::FromStr for DropOff {
    type Err = DropOffError;
    fn from_str(text: &str) -> Result<Self, DropOffError> {
        match text {
            "DOOR" => Ok(Self::Door),
            "SELF" => Ok(Self::Own),
            "OFFICE" => Ok(Self::Office),
            "POST" => Ok(Self::Post),
            "ETC" => Ok(Self::Etc),
            _ => Err(DropOffError),
        }
    }
}

/// A phone number: 5 to 15 digits, with `+` before them or not; spaces and hyphens between them are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number of 5 to 15 digits")]
pub struct PhoneError;

impl Phone {
    /// # Errors
    /// [`PhoneError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let number: String = text.trim().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        if (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_is_5_to_15_digits() {
        assert_eq!(Phone::parse("+49 170-1234567").unwrap().as_str(), "+491701234567");
        for bad in ["", "1234", "1234567890123456", "12a45", "++12345", "12345+"] {
            assert!(Phone::parse(bad).is_err(), "{bad}");
        }
    }
}
