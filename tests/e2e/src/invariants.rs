//! The invariants of the saga, checked on a deployment's tables as `rialto reconcile` does.

use crate::{aws::Aws, wait::eventually};
use rialto_cli::reconcile;
use std::ops::Deref;

pub use rialto_cli::reconcile::broken;

/// The contents of the tables of inventory, orders and payments.
#[derive(Debug, Clone)]
pub struct SagaTables(reconcile::Snapshot);

impl SagaTables {
    /// Loads all items.
    pub async fn load_all(aws: &Aws) -> Self {
        Self(
            reconcile::Snapshot::load_all(&aws.config, &aws.stage)
                .await
                .expect("the tables respond"),
        )
    }

    /// Loads these products' stock, these orders, and all orders that moved the stock.
    pub async fn load_for(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        let products: Vec<String> = products.iter().map(|product| (*product).to_owned()).collect();
        let tables =
            reconcile::Snapshot::load_for(&aws.config, &aws.stage, &products, orders).await;
        Self(tables.expect("the tables respond"))
    }

    /// Waits until no invariant is violated, and returns the tables' contents then.
    pub async fn wait_until_consistent(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        eventually("the invariants to hold", async || {
            let tables = Self::load_for(aws, products, orders).await;
            let broken = broken(&tables);
            if broken.is_empty() { Ok(tables) } else { Err(broken.join("\n")) }
        })
        .await
    }
}

impl Deref for SagaTables {
    type Target = reconcile::Snapshot;

    fn deref(&self) -> &reconcile::Snapshot {
        &self.0
    }
}
