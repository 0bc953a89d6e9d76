use super::{
    movement::{Movement, MovementCause},
    stock::Stock,
};
use rialto_kernel::{FieldError, MovementId, PlantedBug, Text, Timestamp};

/// The largest change of one adjustment, in units, and the largest stock of a product.
pub const MAX_QUANTITY: i64 = 10_000_000;

/// A manual correction of the available stock, in units, and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    pub quantity: i64,
    pub reason: Text<1, 200>,
}

/// A rule that an adjustment would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdjustmentError {
    #[error("only {available} units are available")]
    BelowZero { available: u64 },
    #[error("a product can't have more than {MAX_QUANTITY} units")]
    TooMany,
}

impl Adjustment {
    /// Checks a requested change: any number of units but zero, up to [`MAX_QUANTITY`] either way.
    ///
    /// # Errors
    /// [`FieldError`] if it is zero or out of range.
    pub fn quantity(number: i64) -> Result<i64, FieldError> {
        if number == 0 || !(-MAX_QUANTITY..=MAX_QUANTITY).contains(&number) {
            let message = format!("must be between -{MAX_QUANTITY} and {MAX_QUANTITY}, and not 0");
            return Err(FieldError { field: "quantity".to_owned(), message });
        }
        Ok(number)
    }

    /// Returns the adjusted stock and its movement. `key` makes the movement's id unique among
    /// equal adjustments.
    ///
    /// # Errors
    /// [`AdjustmentError`] if the stock would fall below zero or exceed [`MAX_QUANTITY`].
    pub fn apply(
        &self,
        stock: &Stock,
        key: &str,
        now: Timestamp,
    ) -> Result<(Stock, Movement), AdjustmentError> {
        let available = stock
            .available
            .checked_add_signed(self.quantity)
            .or_else(|| PlantedBug::AdjustedBelowZero.is_planted().then_some(0))
            .ok_or(AdjustmentError::BelowZero { available: stock.available })?;
        if available > MAX_QUANTITY.unsigned_abs() {
            return Err(AdjustmentError::TooMany);
        }
        let movement = Movement {
            movement_id: MovementId::derive_at(
                now,
                &[stock.product_id.to_string().as_bytes(), key.as_bytes()],
            ),
            product_id: stock.product_id,
            at: now,
            cause: MovementCause::Adjusted,
            order_id: None,
            reason: Some(self.reason.as_str().to_owned()),
            available: self.quantity,
            reserved: 0,
            sold: 0,
        };
        Ok((Stock { available, version: stock.version + 1, ..stock.clone() }, movement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::{ProductId, SellerId};

    fn stock(available: u32) -> Stock {
        Stock::initial(
            ProductId::derive(&[b"p"]),
            SellerId::derive(&[b"s"]),
            available,
            Timestamp::from_millis(1),
        )
        .0
    }

    fn adjust(available: u32, quantity: i64) -> Result<u64, AdjustmentError> {
        let adjustment = Adjustment { quantity, reason: Text::parse("counted").unwrap() };
        adjustment
            .apply(&stock(available), "k", Timestamp::from_millis(2))
            .map(|(stock, _)| stock.available)
    }

    #[test]
    fn a_quantity_is_bounded_in_both_directions() {
        for bad in [0, MAX_QUANTITY + 1, -MAX_QUANTITY - 1, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert!(Adjustment::quantity(bad).is_err(), "{bad}");
        }
        for good in [1, -1, MAX_QUANTITY, -MAX_QUANTITY] {
            assert_eq!(Adjustment::quantity(good), Ok(good));
        }
    }

    #[test]
    fn adjustments_keep_stock_within_its_limits() {
        assert_eq!(adjust(5, -5), Ok(0));
        assert_eq!(adjust(5, -6), Err(AdjustmentError::BelowZero { available: 5 }));
        assert_eq!(adjust(5, MAX_QUANTITY), Err(AdjustmentError::TooMany));
    }
}
