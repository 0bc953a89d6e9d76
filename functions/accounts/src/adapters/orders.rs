//! Orders, by its internal function.

use crate::ports::OrdersOf;
use rialto_contracts::internal::orders::{OpenLines, OpenOrders, RecentOrder, RecentOrders};
use rialto_kernel::{SellerId, StoreError, UserId};
use rialto_lambda::{
    App,
    internal::{Peer, Unanswered},
};

/// What orders knows of buyers and sellers.
#[derive(Clone)]
pub struct Orders(Peer);

impl Orders {
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self(Peer::new(app))
    }
}

fn unavailable(error: Unanswered) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl OrdersOf for Orders {
    async fn recent(&self, user_id: UserId) -> Result<Vec<RecentOrder>, StoreError> {
        self.0.ask(RecentOrders { user_id }).await.map_err(unavailable)
    }

    async fn has_open_orders(&self, user_id: UserId) -> Result<bool, StoreError> {
        self.0.ask(OpenOrders { user_id }).await.map_err(unavailable)
    }

    async fn has_open_lines(&self, seller_id: SellerId) -> Result<bool, StoreError> {
        self.0.ask(OpenLines { seller_id }).await.map_err(unavailable)
    }
}
