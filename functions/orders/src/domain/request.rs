use rialto_kernel::{
    Address, AddressId, Amount, OrderId, ProductId, Quantity, Text, UserId, digest,
};
use serde::Serialize;

/// The most lines an order has.
pub const MAX_LINES: usize = 20;

/// What a buyer asks for; once a [`Destination`] is looked up, with the address itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderRequest<A = Address> {
    /// 1 to 20.
    pub lines: Vec<RequestedLine>,
    pub address: A,
    pub payment_method: PaymentMethod,
    /// What the buyer expects to pay, if the buyer says.
    pub expected_total: Option<Amount>,
}

/// Where an order is to go: as the buyer writes it, or one that accounts keeps.
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
    /// A digest of all that was asked for, whatever the white space and the order of fields were.
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

/// The order that this buyer places under this key, always the same.
#[must_use]
pub fn order_id(user: UserId, idempotency_key: &str) -> OrderId {
    OrderId::derive(&[user.to_string().as_bytes(), idempotency_key.as_bytes()])
}

/// The provider's name for a means of payment, such as `pm_card_visa`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PaymentMethod(Text<4, 64>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be pm_ and 1 to 61 letters, digits and underscores")]
pub struct PaymentMethodError;

impl PaymentMethod {
    /// # Errors
    /// [`PaymentMethodError`] for anything else.
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
    fn one_buyer_and_one_key_lead_to_one_order() {
        let (a, b) = (UserId::derive(&[b"a"]), UserId::derive(&[b"b"]));
        assert_eq!(order_id(a, "k"), order_id(a, "k"));
        assert_ne!(order_id(a, "k"), order_id(a, "k2"));
        assert_ne!(order_id(a, "k"), order_id(b, "k"));
    }

    #[test]
    fn a_payment_method_is_the_providers() {
        assert!(PaymentMethod::parse("pm_card_visa").is_ok());
        for bad in ["", "pm_", "card", "pm_a b", "pm_ä"] {
            assert!(PaymentMethod::parse(bad).is_err(), "{bad}");
        }
        assert!(PaymentMethod::parse(&format!("pm_{}", "x".repeat(62))).is_err());
    }
}
