//! Typed ids: a prefix, an underscore and 26 characters of Crockford's base 32, in lower case.
//!
//! A generated id starts with its time in milliseconds, so generated ids sort by age. A derived id
//! (such as an order's or a payment's) is a digest of its source, and its order means nothing.

use crate::{digest::sha256_128, time::Timestamp};
use ulid::Ulid;

/// The text isn't an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {prefix}_ followed by 26 letters and digits")]
pub struct IdError {
    prefix: &'static str,
}

/// Crockford's base 32 in lower case: the digit of each character.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
};
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const NO_DIGIT: u8 = u8::MAX;
const PREFIX_LENGTH: usize = 3;
const LENGTH: usize = PREFIX_LENGTH + 1 + 26;

/// Only the canonical form is an id: Crockford's upper-case and ambiguous letters are rejected.
fn parse(prefix: &'static str, text: &str) -> Result<u128, IdError> {
    let error = IdError { prefix };
    let body = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or(error)?;
    // 26 digits are 130 bits, two more than an id has.
    if body.len() != 26 || body.as_bytes()[0] > b'7' {
        return Err(error);
    }
    body.bytes().try_fold(0, |value, byte| match DIGITS[usize::from(byte)] {
        NO_DIGIT => Err(error),
        digit => Ok(value << 5 | u128::from(digit)),
    })
}

/// Calls `with` with an id's text.
fn with_text<T>(prefix: &str, value: u128, with: impl FnOnce(&str) -> T) -> T {
    let mut text = [b'_'; LENGTH];
    text[..PREFIX_LENGTH].copy_from_slice(prefix.as_bytes());
    for (at, byte) in text[PREFIX_LENGTH + 1..].iter_mut().rev().enumerate() {
        *byte = ALPHABET[(value >> (5 * at)) as usize % ALPHABET.len()];
    }
    with(std::str::from_utf8(&text).unwrap_or_default())
}

fn generate(now: Timestamp) -> u128 {
    let mut random = [0; 16];
    // Without randomness no id is safe to issue, and nothing else works either.
    #[expect(
        clippy::expect_used,
        reason = "getrandom fails only where the system has no randomness"
    )]
    getrandom::fill(&mut random).expect("the system's randomness");
    Ulid::from_parts(now.millis().unsigned_abs(), u128::from_be_bytes(random)).0
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The prefix of every id of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// A new random id that sorts by `now`.
            #[must_use]
            pub fn generate(now: Timestamp) -> Self {
                Self(generate(now))
            }

            /// The id derived from these parts: the same ones give the same id.
            #[must_use]
            pub fn derive(parts: &[&[u8]]) -> Self {
                Self(sha256_128(parts))
            }

            /// An id derived from these parts and `now`, by which it sorts.
            #[must_use]
            pub fn derive_at(now: Timestamp, parts: &[&[u8]]) -> Self {
                Self(Ulid::from_parts(now.millis().unsigned_abs(), sha256_128(parts)).0)
            }

            /// # Errors
            /// [`IdError`] for anything but the canonical form.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }

            /// The id without its prefix, for lists of many.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                with_text($prefix, self.0, |text| f.write_str(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                with_text($prefix, self.0, |text| serializer.serialize_str(text))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize<'de>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

typed_ids! {
    /// A buyer's account.
    UserId = "usr";
    /// A seller's account.
    SellerId = "sel";
    /// A supervisor's account.
    SupervisorId = "sup";
    /// One login on one device.
    SessionId = "ses";
    AddressId = "adr";
    CategoryId = "cat";
    BrandId = "brd";
    /// The smallest unit a product is made from.
    ItemId = "itm";
    ProductId = "prd";
    /// Derived from the buyer and the Idempotency-Key, so that a repeated request finds its order.
    OrderId = "ord";
    /// Derived from the order, which has one payment.
    PaymentId = "pay";
    /// Derived from the order and the refund's key.
    RefundId = "ref";
    /// One change of a product's stock.
    MovementId = "mov";
    /// Derived from the order and the line's number.
    DeliveryId = "dlv";
    /// Derived from the seller and the Idempotency-Key.
    ParcelId = "pcl";
    /// Derived from the aggregate and its version, so that an event keeps its id when republished.
    EventId = "evt";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = ProductId::generate(Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(ProductId::parse(&id.to_string()), Ok(id));
        assert_eq!(serde_json::from_str::<ProductId>(&format!("\"{id}\"")).unwrap(), id);
    }

    #[test]
    fn generated_ids_sort_by_time() {
        let early = UserId::generate(Timestamp::from_millis(1));
        let late = UserId::generate(Timestamp::from_millis(2));
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn only_the_canonical_form_of_an_id_is_parsed() {
        let id = OrderId::derive(&[b"a"]).to_string();
        assert!(OrderId::parse(&id.to_uppercase()).is_err());
        assert!(OrderId::parse(&id.replace("ord_", "usr_")).is_err());
        assert!(OrderId::parse(&id[..29]).is_err());
        assert!(OrderId::parse("").is_err());
        // Letters that Crockford's alphabet reads as digits, and more than 128 bits.
        for body in [
            "o000000000000000000000000i",
            "8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "0u000000000000000000000000",
        ] {
            assert!(OrderId::parse(&format!("ord_{body}")).is_err(), "{body}");
        }
    }

    #[test]
    fn ids_are_written_as_ulids_in_lower_case() {
        for value in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let text = format!("ord_{}", Ulid(value).to_string().to_lowercase());
            assert_eq!(OrderId(value).to_string(), text);
            assert_eq!(OrderId::parse(&text), Ok(OrderId(value)));
            assert_eq!(OrderId::from_bytes(OrderId(value).to_bytes()), OrderId(value));
        }
    }
}
