use serde::{Deserialize, Serialize};

/// A number of units of a product: 1 to 999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = i64, minimum = 1, maximum = 999)]
pub struct Quantity(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 999")]
pub struct QuantityError;

impl Quantity {
    /// # Errors
    /// [`QuantityError`] outside 1 to 999.
    pub fn new(number: i64) -> Result<Self, QuantityError> {
        match u32::try_from(number) {
            Ok(number @ 1..=999) => Ok(Self(number)),
            _ => Err(QuantityError),
        }
    }

    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_1_to_999() {
        assert!(Quantity::new(0).is_err());
        assert_eq!(Quantity::new(1).unwrap().get(), 1);
        assert_eq!(Quantity::new(999).unwrap().get(), 999);
        assert!(Quantity::new(1000).is_err());
        assert!(Quantity::new(-1).is_err());
    }
}
