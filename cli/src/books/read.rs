//! The books from the services' tables.

use super::{Books, SERVICES};
use crate::tables::{all, partition};
use rialto_aws::{SdkConfig, Stage};
use rialto_dynamo::Table;
use rialto_kernel::StoreError;
use std::collections::BTreeSet;

impl Books {
    /// Everything that there is, table after table: what is written meanwhile may seem not to agree.
    ///
    /// # Errors
    /// [`StoreError`] when a table can't be read.
    pub async fn whole(aws: &SdkConfig, stage: &Stage) -> Result<Self, StoreError> {
        let mut books = Self::default();
        for service in SERVICES {
            for item in all(&Table::open(aws, stage, service)).await? {
                books.enter(item);
            }
        }
        Ok(books)
    }

    /// Everything about these products and orders: the products' stock, and every order that ever moved it or is named here.
    ///
    /// Other products of those orders are left out.
    ///
    /// # Errors
    /// [`StoreError`] when a table can't be read.
    pub async fn about(
        aws: &SdkConfig,
        stage: &Stage,
        products: &[String],
        orders: &[String],
    ) -> Result<Self, StoreError> {
        let mut books = Self::default();
        let inventory = Table::open(aws, stage, rialto_inventory::SERVICE);
        for product in products {
            for item in partition(&inventory, &format!("PRODUCT#{product}")).await? {
                books.enter(item);
            }
        }
        let moved = books.movements.iter().filter_map(|movement| movement.order_id);
        let orders: BTreeSet<String> =
            moved.map(|order| order.to_string()).chain(orders.iter().cloned()).collect();
        for service in SERVICES {
            let table = Table::open(aws, stage, service);
            for order in &orders {
                for item in partition(&table, &format!("ORDER#{order}")).await? {
                    books.enter(item);
                }
            }
        }
        Ok(books)
    }
}
