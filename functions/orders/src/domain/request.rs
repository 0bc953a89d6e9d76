//! A buyer's request to place an order.

use rialto_kernel::{
    Address, AddressId, Amount, OrderId, ProductId, Quantity, Text, UserId, digest,
};
use serde::Serialize;

/// The number of lines that an order may have.
pub const MAX_LINES: usize = 20;

/// A request to place an order. `A` is [`ShippingAddress`] until a saved address is resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderRequest<A = Address> {
    /// 1 to [`MAX_LINES`].
    pub lines: Vec<RequestedLine>,
    pub address: A,
    pub payment_method: PaymentMethod,
    /// The total that the buyer agrees to, if given.
    pub expected_total: Option<Amount>,
}

/// The address to ship to: given inline, or saved in accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ShippingAddress {
    Inline(Address),
    Saved(AddressId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RequestedLine {
    pub product_id: ProductId,
    pub quantity: Quantity,
}

impl OrderRequest<ShippingAddress> {
    /// A digest of the parsed request, independent of white space and the order of fields.
    #[must_use]
    pub fn body_hash(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        digest::hex(&digest::sha256(&[&canonical]))
    }

    #[must_use]
    pub fn with_address(&self, address: Address) -> OrderRequest {
        OrderRequest {
            lines: self.lines.clone(),
            address,
            payment_method: self.payment_method.clone(),
            expected_total: self.expected_total,
        }
    }
}

/// Derives an order's id from its buyer and Idempotency-Key: a repeated request gets the same id.
#[must_use]
pub fn order_id(user: UserId, idempotency_key: &str) -> OrderId {
    OrderId::derive(&[user.to_string().as_bytes(), idempotency_key.as_bytes()])
}

/// The payment provider's id of a payment method, such as `pm_card_visa`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PaymentMethod(Text<4, 64>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be pm_ and 1 to 61 letters, digits and underscores")]
pub struct PaymentMethodError;

impl PaymentMethod {
    /// # Errors
    /// [`PaymentMethodError`] if `text` has another form.
    pub fn parse(text: &str) -> Result<Self, PaymentMethodError> {
        let name = text.strip_prefix("pm_").ok_or(PaymentMethodError)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(PaymentMethodError);
        }
        Text::parse(text).map(Self).map_err(|_| PaymentMethodError)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_ids_depend_on_buyer_and_key() {
        let (a, b) = (UserId::derive(&[b"a"]), UserId::derive(&[b"b"]));
        assert_eq!(order_id(a, "k"), order_id(a, "k"));
        assert_ne!(order_id(a, "k"), order_id(a, "k2"));
        assert_ne!(order_id(a, "k"), order_id(b, "k"));
    }

    #[test]
    fn payment_methods_have_the_providers_form() {
        assert!(PaymentMethod::parse("pm_card_visa").is_ok());
        for bad in ["", "pm_", "card", "pm_a b", "pm_ä"] {
            assert!(PaymentMethod::parse(bad).is_err(), "{bad}");
        }
        assert!(PaymentMethod::parse(&format!("pm_{}", "x".repeat(62))).is_err());
    }
}
