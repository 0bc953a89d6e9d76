//! What lists of orders select by.

use super::{
    line::OrderLine,
    order::{Order, OrderState},
};
use rialto_contracts::orders::OrderLineState;
use rialto_kernel::{OrderNumber, SellerId};

impl Order {
    /// The number by which people name the order.
    #[must_use]
    pub fn number(&self) -> OrderNumber {
        OrderNumber::new(self.order_id, self.created_at)
    }

    /// Whether the order is in this state, if one is given.
    #[must_use]
    pub fn is_in(&self, state: Option<OrderState>) -> bool {
        state.is_none_or(|state| state == self.state)
    }

    /// Whether the order has a line of this seller, in this state if one is given.
    #[must_use]
    pub fn has_line_of(&self, seller: SellerId, state: Option<OrderLineState>) -> bool {
        self.lines.iter().any(|line| line.is_of(seller, state))
    }

    /// The seller under whom the order's own item is listed. Lines of other sellers are listed by
    /// items of their own.
    #[must_use]
    pub fn first_seller(&self) -> Option<SellerId> {
        self.lines.iter().map(|line| line.seller_id).min()
    }
}

impl OrderLine {
    /// Whether it is a line of this seller, in this state if one is given.
    #[must_use]
    pub fn is_of(&self, seller: SellerId, state: Option<OrderLineState>) -> bool {
        self.seller_id == seller && state.is_none_or(|state| state == self.state)
    }
}
