//! Money is a whole number of minor units (cents) in one currency.

use crate::PlantedBug;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of money in minor units: never negative, and small enough that sums can be checked.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema,
)]
#[serde(transparent)]
#[schema(value_type = i64, minimum = 0, maximum = 1_000_000_000_000i64)]
pub struct Amount(i64);

/// The number, or the result of a calculation, isn't an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("must be 0 or more")]
    Negative,
    #[error("must be at most {}", Amount::MAX.0)]
    TooLarge,
}

impl Amount {
    pub const ZERO: Self = Self(0);
    /// Ten thousand million in a currency with cents: far above any order, and 64 bits hold the
    /// sum of millions of them.
    pub const MAX: Self = Self(1_000_000_000_000);

    /// # Errors
    /// [`AmountError`] below zero or above [`Amount::MAX`].
    pub const fn new(minor_units: i64) -> Result<Self, AmountError> {
        if minor_units < 0 {
            Err(AmountError::Negative)
        } else if minor_units > Self::MAX.0 {
            Err(AmountError::TooLarge)
        } else {
            Ok(Self(minor_units))
        }
    }

    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// # Errors
    /// [`AmountError::TooLarge`] when the sum is.
    pub fn plus(self, other: Self) -> Result<Self, AmountError> {
        Self::new(self.0.saturating_add(other.0))
    }

    /// # Errors
    /// [`AmountError::Negative`] when `other` is more than this.
    pub fn minus(self, other: Self) -> Result<Self, AmountError> {
        Self::new(self.0.saturating_sub(other.0))
    }

    /// # Errors
    /// [`AmountError::TooLarge`] when the product is.
    pub fn times(self, factor: u32) -> Result<Self, AmountError> {
        Self::new(self.0.saturating_mul(i64::from(factor)))
    }

    /// # Errors
    /// [`AmountError::TooLarge`] when the sum is.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, AmountError> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }

    /// Splits this amount in proportion to `weights` by largest remainder: the parts sum to the
    /// total, and each is within one minor unit of its exact share. Ties go to the earlier part;
    /// without any weight the first part gets everything.
    #[must_use]
    pub fn split(self, weights: &[Self]) -> Vec<Self> {
        let total: i128 = weights.iter().map(|weight| i128::from(weight.0)).sum();
        if total == 0 {
            return weights
                .iter()
                .enumerate()
                .map(|(at, _)| if at == 0 { self } else { Self::ZERO })
                .collect();
        }
        let exact = |weight: &Self| i128::from(self.0) * i128::from(weight.0);
        // A part is at most the total, so it fits.
        let mut parts: Vec<i64> = weights
            .iter()
            .map(|weight| i64::try_from(exact(weight) / total).unwrap_or(self.0))
            .collect();
        let mut left = self.0 - parts.iter().sum::<i64>();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(exact(&weights[at]) % total));
        for at in order {
            if left == 0 || PlantedBug::ShareRemainderLost.is_planted() {
                break;
            }
            parts[at] += 1;
            left -= 1;
        }
        parts.into_iter().map(Self).collect()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A currency's three-letter code (ISO 4217), such as `EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a currency code of three upper-case letters")]
pub struct CurrencyError;

impl Currency {
    /// # Errors
    /// [`CurrencyError`] for anything but three upper-case letters.
    pub fn parse(text: &str) -> Result<Self, CurrencyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(CurrencyError),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^[A-Z]{3}$"))
            .into()
    }
}

impl utoipa::ToSchema for Currency {}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(numbers: &[i64]) -> Vec<Amount> {
        numbers.iter().map(|&number| Amount::new(number).unwrap()).collect()
    }

    #[test]
    fn sums_are_checked() {
        assert_eq!(Amount::MAX.plus(Amount(1)), Err(AmountError::TooLarge));
        assert_eq!(Amount::MAX.times(u32::MAX), Err(AmountError::TooLarge));
        assert_eq!(Amount::ZERO.minus(Amount(1)), Err(AmountError::Negative));
        assert!(serde_json::from_str::<Amount>("-1").is_err());
        assert!(serde_json::from_str::<Amount>("1.5").is_err());
    }

    #[test]
    fn the_parts_of_a_split_sum_to_the_total() {
        assert_eq!(Amount(100).split(&amounts(&[1, 1, 1])), amounts(&[34, 33, 33]));
        assert_eq!(Amount(5).split(&amounts(&[300, 100])), amounts(&[4, 1]));
        assert_eq!(Amount(7).split(&amounts(&[0, 0])), amounts(&[7, 0]));
        for whole in 0..200 {
            let parts = Amount(whole).split(&amounts(&[999, 1, 250, 250, 3]));
            assert_eq!(Amount::sum(parts), Ok(Amount(whole)));
        }
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert_eq!(Currency::parse("EUR").unwrap().to_string(), "EUR");
        assert!(Currency::parse("eur").is_err());
        assert!(Currency::parse("EURO").is_err());
    }
}
