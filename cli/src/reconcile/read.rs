//! Reads a snapshot from the services' tables.

use super::{SERVICES, Snapshot};
use crate::tables::{all, partition};
use futures_util::{StreamExt, TryStreamExt, stream};
use rialto_aws::{SdkConfig, Stage};
use rialto_delivery::domain::delivery::delivery_id;
use rialto_dynamo::{Key, Table, read_item};
use rialto_inventory::domain::stock::Stock;
use rialto_kernel::{ProductId, StoreError};
use rialto_orders::domain::{line::OrderLine, order::Order};
use std::collections::{BTreeMap, BTreeSet};

/// Queries under way at once.
const AT_A_TIME: usize = 24;

impl Snapshot {
    /// Reads all tables, one after the other. Concurrent writes may look like discrepancies.
    ///
    /// # Errors
    /// [`StoreError`] if a table can't be read.
    pub async fn load_all(aws: &SdkConfig, stage: &Stage) -> Result<Self, StoreError> {
        let mut snapshot = Self::default();
        for service in SERVICES {
            for item in all(&Table::open(aws, stage, service)).await? {
                snapshot.insert(item);
            }
        }
        Ok(snapshot)
    }

    /// Reads these products and orders: the products' stock, and every order that ever moved it or
    /// is listed.
    ///
    /// Other products of those orders are left out. Products sold during the read are marked as
    /// moving.
    ///
    /// # Errors
    /// [`StoreError`] if a table can't be read.
    pub async fn load_for(
        aws: &SdkConfig,
        stage: &Stage,
        products: &[String],
        orders: &[String],
    ) -> Result<Self, StoreError> {
        let mut snapshot = Self::default();
        let inventory = Table::open(aws, stage, rialto_inventory::SERVICE);
        let before = versions(&inventory, products).await?;
        let keys = products.iter().map(|product| format!("PRODUCT#{product}"));
        snapshot.read_partitions(&inventory, keys).await?;
        let moved = snapshot.movements.iter().filter_map(|movement| movement.order_id);
        let orders: BTreeSet<String> =
            moved.map(|order| order.to_string()).chain(orders.iter().cloned()).collect();
        for service in SERVICES {
            let table = Table::open(aws, stage, service);
            let keys = orders.iter().map(|order| format!("ORDER#{order}"));
            snapshot.read_partitions(&table, keys).await?;
        }
        let deliveries: Vec<_> = snapshot.orders.iter().flat_map(deliveries_of).collect();
        let table = Table::open(aws, stage, rialto_delivery::SERVICE);
        snapshot.read_partitions(&table, deliveries.into_iter()).await?;
        let after = versions(&inventory, products).await?;
        let moving =
            before.into_iter().filter(|(product, version)| after.get(product) != Some(version));
        snapshot.moving = moving.map(|(product, _)| product).collect();
        Ok(snapshot)
    }

    /// Reads these partitions, several at once, and inserts their items in the order of the keys.
    async fn read_partitions(
        &mut self,
        table: &Table,
        keys: impl Iterator<Item = String>,
    ) -> Result<(), StoreError> {
        let read = async |key: String| partition(table, &key).await;
        let mut partitions = std::pin::pin!(stream::iter(keys).map(read).buffered(AT_A_TIME));
        while let Some(items) = partitions.try_next().await? {
            items.into_iter().for_each(|item| self.insert(item));
        }
        Ok(())
    }
}

/// The keys of the deliveries of an order's lines.
fn deliveries_of(order: &Order) -> Vec<String> {
    let id = |line: &OrderLine| delivery_id(order.order_id, line.line_no);
    order.lines.iter().map(|line| format!("DELIVERY#{}", id(line))).collect()
}

/// The versions of these products' stock.
async fn versions(
    inventory: &Table,
    products: &[String],
) -> Result<BTreeMap<ProductId, u64>, StoreError> {
    let mut versions = BTreeMap::new();
    for product in products {
        let item = inventory.get(&Key::new(format!("PRODUCT#{product}"), "STOCK")).await?;
        // Invalid items are reported with the rest of their partition.
        if let Some(Ok(stock)) = item.map(read_item::<Stock>) {
            versions.insert(stock.product_id, stock.version);
        }
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        reconcile::{Severity, findings},
        testing::serve,
    };
    use rialto_kernel::{SellerId, Timestamp};
    use serde_json::{Value, json};

    /// A stock at this version, without movements that explain it.
    fn stock(version: u64) -> Value {
        let product = ProductId::derive(&[b"p"]).to_string();
        json!({
            "pk": {"S": format!("PRODUCT#{product}")}, "sk": {"S": "STOCK"},
            "product_id": {"S": product}, "seller_id": {"S": SellerId::derive(&[b"s"]).to_string()},
            "available": {"N": "9"}, "reserved": {"N": "0"}, "sold": {"N": "0"}, "version": {"N": version.to_string()},
        })
    }

    /// The discrepancies of a product whose stock had these versions before, during and after the
    /// read.
    fn found([before, meanwhile, after]: [u64; 3]) -> Vec<(String, Severity)> {
        let item = |version| (200, &*json!({"Item": stock(version)}).to_string().leak());
        let items = json!({"Items": [stock(meanwhile)], "Count": 1, "ScannedCount": 1}).to_string();
        let (url, server) = serve(vec![item(before), (200, items.leak()), item(after)]);
        let (aws, stage) = (rialto_aws::emulator_config(&url), Stage::parse("dev").unwrap());
        let product = ProductId::derive(&[b"p"]).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let snapshot = runtime.block_on(Snapshot::load_for(&aws, &stage, &[product], &[])).unwrap();
        assert_eq!(server.received().len(), 3);
        let found = findings(&snapshot, Timestamp::from_millis(1_000)).into_iter();
        found.map(|finding| (finding.what, finding.standing)).collect()
    }

    #[test]
    fn products_sold_during_the_read_are_in_progress() {
        for (what, standing) in found([3, 3, 3]) {
            assert_eq!(standing, Severity::Inconsistent, "{what}");
        }
        for versions in [[3, 3, 4], [3, 4, 4]] {
            let found = found(versions);
            assert!(!found.is_empty());
            for (what, standing) in found {
                assert_eq!(standing, Severity::InProgress, "{what}");
                assert!(what.ends_with("(it was being sold during the read)"), "{what}");
            }
        }
    }
}
