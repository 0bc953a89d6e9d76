//! The status of a product: the one its seller has set, and the effective one.

use rialto_contracts::catalog::ProductStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be REGISTERED, SELL, SOLD_OUT or UNREGISTERED")]
pub struct StatusError;

/// # Errors
/// [`StatusError`] for any other text.
pub fn parse(text: &str) -> Result<ProductStatus, StatusError> {
    use ProductStatus::{Registered, Sell, SoldOut, Unregistered};
    [Registered, Sell, SoldOut, Unregistered]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or(StatusError)
}

/// The product's status doesn't allow the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the product is {}", state.as_str())]
pub struct IllegalTransition {
    /// The status that the seller has set.
    pub state: ProductStatus,
}

/// Whether a seller may change the status from `from` to `to`.
#[must_use]
pub const fn is_legal_transition(from: ProductStatus, to: ProductStatus) -> bool {
    use ProductStatus::{Registered, Sell, SoldOut, Unregistered};
    matches!(
        (from, to),
        (Registered | SoldOut, Sell)
            | (Registered | Sell, SoldOut)
            | (Registered | Sell | SoldOut, Unregistered)
    )
}

/// The effective status: the one that the seller has set, but SOLD_OUT instead of SELL while out of
/// stock.
#[must_use]
pub const fn effective(chosen: ProductStatus, in_stock: bool) -> ProductStatus {
    match chosen {
        ProductStatus::Sell if !in_stock => ProductStatus::SoldOut,
        chosen => chosen,
    }
}

/// Whether products of this effective status are visible to everyone.
#[must_use]
pub const fn is_public(status: ProductStatus) -> bool {
    matches!(status, ProductStatus::Sell | ProductStatus::SoldOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProductStatus::{Registered, Sell, SoldOut, Unregistered};

    const ALL: [ProductStatus; 4] = [Registered, Sell, SoldOut, Unregistered];

    #[test]
    fn only_seven_transitions_are_legal() {
        let legal: Vec<_> = ALL
            .into_iter()
            .flat_map(|from| ALL.map(|to| (from, to)))
            .filter(|(from, to)| is_legal_transition(*from, *to))
            .collect();
        assert_eq!(
            legal,
            [
                (Registered, Sell),
                (Registered, SoldOut),
                (Registered, Unregistered),
                (Sell, SoldOut),
                (Sell, Unregistered),
                (SoldOut, Sell),
                (SoldOut, Unregistered),
            ]
        );
    }

    #[test]
    fn products_on_sale_are_sold_out_while_out_of_stock() {
        assert_eq!(effective(Sell, true), Sell);
        assert_eq!(effective(Sell, false), SoldOut);
        for chosen in [Registered, SoldOut, Unregistered] {
            assert_eq!(effective(chosen, true), chosen);
            assert_eq!(effective(chosen, false), chosen);
        }
    }

    #[test]
    fn every_status_is_parsed_from_its_text() {
        for status in ALL {
            assert_eq!(parse(status.as_str()), Ok(status));
        }
        assert_eq!(parse("sell"), Err(StatusError));
    }
}
