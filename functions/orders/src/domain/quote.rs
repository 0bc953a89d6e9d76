//! The current price of a requested order.

use super::{line_terms::LineTerms, product::Product, request::RequestedLine};
use rialto_kernel::{Amount, AmountError, Currency, PlantedBug, ProductId, Quantity, SellerId};
use std::{collections::HashMap, time::Duration};

/// The shop's pricing terms, from its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricingTerms {
    pub currency: Currency,
    pub shipping_fee: Amount,
    pub free_shipping_from: Amount,
    /// The time that an order may stay PENDING.
    pub pending_deadline: Duration,
    pub lines: LineTerms,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub lines: Vec<QuotedLine>,
    pub shipping_fee: Amount,
    pub total: Amount,
    pub currency: Currency,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedLine {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    /// The line's price with its part of the shipping fee. The shares of all lines sum to the
    /// total.
    pub share: Amount,
}

/// An order request has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    #[error("some products can't be ordered")]
    NotOrderable(Vec<ProductId>),
    #[error("total too large")]
    TooLarge,
}

impl From<AmountError> for QuoteError {
    fn from(_: AmountError) -> Self {
        Self::TooLarge
    }
}

impl Quote {
    /// Prices the requested lines.
    ///
    /// # Errors
    /// [`QuoteError`] with every product that can't be ordered, or if the total is too large.
    pub fn new(
        requested: &[RequestedLine],
        products: &HashMap<ProductId, Product>,
        terms: &PricingTerms,
    ) -> Result<Self, QuoteError> {
        let product = |id: &ProductId| products.get(id).filter(|product| product.is_orderable());
        let mut missing: Vec<ProductId> = requested
            .iter()
            .map(|line| line.product_id)
            .filter(|id| product(id).is_none())
            .collect();
        if !missing.is_empty() {
            missing.dedup();
            return Err(QuoteError::NotOrderable(missing));
        }
        let mut lines: Vec<QuotedLine> = Vec::new();
        for line in requested {
            let Some(product) = product(&line.product_id) else { continue };
            lines.push(QuotedLine {
                product_id: product.product_id,
                seller_id: product.seller_id,
                title: product.title.clone(),
                quantity: line.quantity,
                unit_price: product.price,
                share: product.price.times(line.quantity.get())?,
            });
        }
        let prices: Vec<Amount> = lines.iter().map(|line| line.share).collect();
        let sum = Amount::sum(prices.iter().copied())?;
        let shipping_fee =
            if sum >= terms.free_shipping_from { Amount::ZERO } else { terms.shipping_fee };
        for (line, fee) in lines.iter_mut().zip(shipping_fee.split(&prices)) {
            if !PlantedBug::ShippingFeeNotShared.is_planted() {
                line.share = line.share.plus(fee)?;
            }
        }
        Ok(Self { lines, shipping_fee, total: sum.plus(shipping_fee)?, currency: terms.currency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, pricing_terms};
    use rialto_contracts::catalog::ProductStatus;

    fn product(name: &str, price: i64, status: ProductStatus) -> Product {
        Product {
            product_id: ProductId::derive(&[name.as_bytes()]),
            title: name.to_owned(),
            price: Amount::new(price).unwrap(),
            status,
            ..fixtures::product()
        }
    }

    fn quote(products: &[Product], quantities: &[i64]) -> Result<Quote, QuoteError> {
        let requested: Vec<_> = products
            .iter()
            .zip(quantities)
            .map(|(product, quantity)| RequestedLine {
                product_id: product.product_id,
                quantity: Quantity::new(*quantity).unwrap(),
            })
            .collect();
        let copies = products.iter().map(|product| (product.product_id, product.clone())).collect();
        Quote::new(&requested, &copies, &pricing_terms())
    }

    #[test]
    fn the_shares_of_the_lines_sum_to_the_total() {
        let products = [
            product("a", 333, ProductStatus::Sell),
            product("b", 1, ProductStatus::Sell),
            product("c", 777, ProductStatus::Sell),
        ];
        let quote = quote(&products, &[1, 7, 2]).unwrap();
        assert_eq!(quote.shipping_fee.minor_units(), 300);
        assert_eq!(quote.total.minor_units(), 333 + 7 + 1554 + 300);
        assert_eq!(Amount::sum(quote.lines.iter().map(|line| line.share)).unwrap(), quote.total);
    }

    #[test]
    fn shipping_is_free_from_the_configured_amount_on() {
        let product = product("a", 2_500, ProductStatus::Sell);
        assert_eq!(quote(std::slice::from_ref(&product), &[1]).unwrap().total.minor_units(), 2_800);
        assert_eq!(quote(&[product], &[2]).unwrap().total.minor_units(), 5_000);
    }

    #[test]
    fn only_products_for_sale_can_be_ordered() {
        let sold = product("a", 1, ProductStatus::Sell);
        for status in
            [ProductStatus::Registered, ProductStatus::SoldOut, ProductStatus::Unregistered]
        {
            let other = product("b", 1, status);
            let refused = quote(&[sold.clone(), other.clone()], &[1, 1]).unwrap_err();
            assert_eq!(refused, QuoteError::NotOrderable(vec![other.product_id]));
        }
    }

    #[test]
    fn a_total_that_is_too_large_is_rejected() {
        let product = product("a", 1_000_000_000_000, ProductStatus::Sell);
        assert_eq!(quote(&[product], &[2]), Err(QuoteError::TooLarge));
    }
}
