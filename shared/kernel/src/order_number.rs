//! Order numbers, by which people name orders.

use crate::{OrderId, Timestamp};

/// The day of an order's creation in UTC and the last eight characters of its id, in capitals:
/// `261126-7K3F9Q2M`. Derived and not stored; two orders of a day can have the same one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[0-9]{6}-[0-9A-HJKMNP-TV-Z]{8}$")]
pub struct OrderNumber(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an order number such as 261126-7K3F9Q2M")]
pub struct OrderNumberError;

impl OrderNumber {
    #[must_use]
    pub fn new(order: OrderId, created_at: Timestamp) -> Self {
        let day: String = created_at.day().chars().filter(char::is_ascii_digit).skip(2).collect();
        let id = order.to_string();
        let (_, tail) = id.split_at(id.len() - 8);
        Self(format!("{day}-{}", tail.to_ascii_uppercase()))
    }

    /// Reads an order number without case.
    ///
    /// # Errors
    /// [`OrderNumberError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, OrderNumberError> {
        let text = text.to_ascii_uppercase();
        let (day, tail) = text.split_once('-').ok_or(OrderNumberError)?;
        let is_day = day.len() == 6 && day.bytes().all(|byte| byte.is_ascii_digit());
        let is_tail = tail.len() == 8
            && tail.bytes().all(|byte| byte.is_ascii_alphanumeric() && !b"ILOU".contains(&byte));
        if is_day && is_tail { Ok(Self(text)) } else { Err(OrderNumberError) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for OrderNumber {
    type Err = OrderNumberError;
    fn from_str(text: &str) -> Result<Self, OrderNumberError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_day_in_utc_and_the_end_of_the_id() {
        let id = OrderId::parse("ord_01m7yq1whx0k2v9d4r7k3f9q2m").unwrap();
        for (created_at, number) in [
            ("2026-11-26T00:00:00.000Z", "261126-7K3F9Q2M"),
            ("2026-11-26T23:59:59.999Z", "261126-7K3F9Q2M"),
            ("2027-01-02T00:30:00.000Z", "270102-7K3F9Q2M"),
        ] {
            let created_at = Timestamp::parse(created_at).unwrap();
            assert_eq!(OrderNumber::new(id, created_at).as_str(), number);
        }
    }

    #[test]
    fn numbers_are_read_without_case() {
        let number = OrderNumber::parse("261126-7K3F9Q2M");
        assert_eq!(OrderNumber::parse("261126-7k3f9q2m"), number);
        assert!(number.is_ok());
    }

    #[test]
    fn other_texts_are_not_order_numbers() {
        for text in [
            "",
            "-",
            "261126",
            "261126-7K3F9Q2",
            "261126-7K3F9Q2MX",
            "26112-7K3F9Q2M",
            "26112A-7K3F9Q2M",
            "261126-7K3F9Q2O",
            "261126-7K3F-Q2M",
            " 261126-7K3F9Q2M",
            "２61126-7K3F9Q2M",
        ] {
            assert_eq!(OrderNumber::parse(text), Err(OrderNumberError), "{text}");
        }
    }
}
