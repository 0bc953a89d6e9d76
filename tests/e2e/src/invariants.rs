//! The invariants of the saga over a deployment's books: read and checked as `rialto reconcile` does.

use crate::{aws::Aws, wait::eventually};
use rialto_cli::books;
use std::ops::Deref;

pub use rialto_cli::books::broken;

/// What the deployment's inventory, orders and payments have written down.
#[derive(Debug, Clone)]
pub struct Books(books::Books);

impl Books {
    /// Everything that there is.
    pub async fn whole(aws: &Aws) -> Self {
        Self(books::Books::whole(&aws.config, &aws.stage).await.expect("the tables answer"))
    }

    /// Everything about these products: their stock, and every order that ever moved it or is named here.
    pub async fn about(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        let products: Vec<String> = products.iter().map(|product| (*product).to_owned()).collect();
        let books = books::Books::about(&aws.config, &aws.stage, &products, orders).await;
        Self(books.expect("the tables answer"))
    }

    /// Waits until nothing is broken; the books then.
    pub async fn in_order(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        eventually("the invariants to hold", async || {
            let books = Self::about(aws, products, orders).await;
            let broken = broken(&books);
            if broken.is_empty() { Ok(books) } else { Err(broken.join("\n")) }
        })
        .await
    }
}

impl Deref for Books {
    type Target = books::Books;

    fn deref(&self) -> &books::Books {
        &self.0
    }
}
