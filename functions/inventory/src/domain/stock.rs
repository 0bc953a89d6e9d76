use super::movement::{Movement, MovementCause};
use rialto_kernel::{MovementId, ProductId, SellerId, Timestamp};
use serde::{Deserialize, Serialize};

/// A product's stock, in units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    /// Free to be ordered.
    pub available: u64,
    /// Held for orders that aren't confirmed yet.
    pub reserved: u64,
    /// Sold with confirmed orders.
    pub sold: u64,
    /// Incremented by every change.
    pub version: u64,
}

impl Stock {
    /// Returns a new product's stock and its first movement.
    #[must_use]
    pub fn initial(
        product_id: ProductId,
        seller_id: SellerId,
        initial: u32,
        now: Timestamp,
    ) -> (Self, Movement) {
        let stock = Self {
            product_id,
            seller_id,
            available: initial.into(),
            reserved: 0,
            sold: 0,
            version: 1,
        };
        let movement = Movement {
            movement_id: MovementId::derive_at(
                now,
                &[b"initial", product_id.to_string().as_bytes()],
            ),
            product_id,
            at: now,
            cause: MovementCause::Initial,
            order_id: None,
            reason: None,
            available: i64::from(initial),
            reserved: 0,
            sold: 0,
        };
        (stock, movement)
    }
}
