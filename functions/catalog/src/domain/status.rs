//! What a seller chooses for a product, and what is shown of it.

use rialto_contracts::catalog::ProductStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not REGISTERED, SELL, SOLD_OUT or UNREGISTERED")]
pub struct StatusError;

/// # Errors
/// [`StatusError`] for any other word.
pub fn parse(text: &str) -> Result<ProductStatus, StatusError> {
    use ProductStatus::{Registered, Sell, SoldOut, Unregistered};
    [Registered, Sell, SoldOut, Unregistered]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or(StatusError)
}

/// A product's state doesn't allow this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the product is {}", state.as_str())]
pub struct IllegalTransition {
    /// What the seller has chosen.
    pub state: ProductStatus,
}

/// Whether a seller may go from one status to another.
#[must_use]
pub const fn may_follow(from: ProductStatus, to: ProductStatus) -> bool {
    use ProductStatus::{Registered, Sell, SoldOut, Unregistered};
    matches!(
        (from, to),
        (Registered | SoldOut, Sell)
            | (Registered | Sell, SoldOut)
            | (Registered | Sell | SoldOut, Unregistered)
    )
}

/// What is shown: what the seller chose, but that nothing is sold without stock.
#[must_use]
pub const fn shown(chosen: ProductStatus, in_stock: bool) -> ProductStatus {
    match chosen {
        ProductStatus::Sell if !in_stock => ProductStatus::SoldOut,
        chosen => chosen,
    }
}

/// Whether everybody sees products of this status.
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
            .filter(|(from, to)| may_follow(*from, *to))
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
    fn without_stock_what_is_sold_shows_as_sold_out() {
        assert_eq!(shown(Sell, true), Sell);
        assert_eq!(shown(Sell, false), SoldOut);
        for chosen in [Registered, SoldOut, Unregistered] {
            assert_eq!(shown(chosen, true), chosen);
            assert_eq!(shown(chosen, false), chosen);
        }
    }

    #[test]
    fn a_status_reads_back() {
        for status in ALL {
            assert_eq!(parse(status.as_str()), Ok(status));
        }
        assert_eq!(parse("sell"), Err(StatusError));
    }
}
