use super::{
    movement::{Movement, MovementCause},
    stock::Stock,
};
use rialto_kernel::{FieldError, MovementId, Text, Timestamp};

/// The most that one adjustment adds or takes, and the most there can be of a product.
pub const MAX_QUANTITY: i64 = 10_000_000;

/// How many pieces to add or take, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    pub quantity: i64,
    pub reason: Text<1, 200>,
}

/// Why stock can't be adjusted so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdjustmentError {
    #[error("only {available} are available")]
    BelowZero { available: u64 },
    #[error("a product has {MAX_QUANTITY} pieces at most")]
    TooMany,
}

impl Adjustment {
    /// # Errors
    /// [`FieldError`] for zero or too many pieces.
    pub fn quantity(number: i64) -> Result<i64, FieldError> {
        if number == 0 || number.abs() > MAX_QUANTITY {
            let message = format!("must be -{MAX_QUANTITY} to {MAX_QUANTITY} and not 0");
            return Err(FieldError { field: "quantity".to_owned(), message });
        }
        Ok(number)
    }

    /// The stock after this adjustment, and the movement that tells of it. `key` tells two alike apart.
    ///
    /// # Errors
    /// [`AdjustmentError`] when there would be less than nothing, or too much.
    pub fn apply(
        &self,
        stock: &Stock,
        key: &str,
        now: Timestamp,
    ) -> Result<(Stock, Movement), AdjustmentError> {
        let available = stock
            .available
            .checked_add_signed(self.quantity)
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
    fn stock_never_goes_below_zero_or_above_the_limit() {
        assert_eq!(adjust(5, -5), Ok(0));
        assert_eq!(adjust(5, -6), Err(AdjustmentError::BelowZero { available: 5 }));
        assert_eq!(adjust(5, MAX_QUANTITY), Err(AdjustmentError::TooMany));
    }
}
