//! Postal addresses.

use crate::{Phone, Text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A shipping address with its receiver. Personal data: never printed and never published on the
/// bus.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub receiver: Text<1, 80>,
    pub line1: Text<1, 120>,
    pub line2: Option<Text<1, 120>>,
    pub zipcode: Text<1, 12>,
    pub phone: Phone,
    pub drop_off: DropOff,
    pub note: Option<Text<1, 200>>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

/// The place where a parcel is left.
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

/// The text isn't a [`DropOff`].
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
