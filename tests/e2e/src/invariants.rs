//! The invariants of the saga over a deployment's books: read and checked as `rialto reconcile` does.

use crate::{aws::Aws, wait::eventually};
use rialto_cli::reconcile;
use std::ops::Deref;

pub use rialto_cli::reconcile::broken;

/// What the deployment's inventory, orders and payments have written down.
#[derive(Debug, Clone)]
pub struct SagaTables(reconcile::Snapshot);

impl SagaTables {
    /// Everything that there is.
    pub async fn load_all(aws: &Aws) -> Self {
        Self(
            reconcile::Snapshot::load_all(&aws.config, &aws.stage)
                .await
                .expect("the tables answer"),
        )
    }

    /// Everything about these products: their stock, and every order that ever moved it or is named here.
    pub async fn load_for(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        let products: Vec<String> = products.iter().map(|product| (*product).to_owned()).collect();
        let books = reconcile::Snapshot::load_for(&aws.config, &aws.stage, &products, orders).await;
        Self(books.expect("the tables answer"))
    }

    /// Waits until nothing is broken; the books then.
    pub async fn wait_until_consistent(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        eventually("the invariants to hold", async || {
            let books = Self::load_for(aws, products, orders).await;
            let broken = broken(&books);
            if broken.is_empty() { Ok(books) } else { Err(broken.join("\n")) }
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
