//! Direct access to the services' tables, for state that no route shows.

use crate::aws::Aws;
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_dynamo::{Item, Key, Table};
use std::collections::BTreeMap;

/// A service's table.
pub fn table(aws: &Aws, service: &str) -> Table {
    Table::open(&aws.config, &aws.stage, service)
}

/// All items of a partition.
pub async fn partition(table: &Table, pk: &str) -> Vec<Item> {
    let query = table.client.query().table_name(&table.name).consistent_read(true);
    let query = query.key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
    query
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .expect("the table responds")
}

/// All items of a table.
pub async fn all(table: &Table) -> Vec<Item> {
    let scan = table.client.scan().table_name(&table.name).consistent_read(true);
    scan.into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .expect("the table responds")
}

/// The items of partitions of several services, to compare with a later snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSnapshot(BTreeMap<(String, String, String), Item>);

impl TableSnapshot {
    /// Takes a snapshot of pairs of service and partition key.
    pub async fn take(aws: &Aws, partitions: &[(&str, String)]) -> Self {
        let mut items = BTreeMap::new();
        for (service, pk) in partitions {
            let table = table(aws, service);
            for item in partition(&table, pk).await {
                let Key { pk, sk } = rialto_dynamo::item_key(&item).expect("an item has a key");
                items.insert(((*service).to_owned(), pk, sk), item);
            }
        }
        Self(items)
    }

    /// Items that differ between the snapshots, as `service pk sk`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let keys: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = |key: &&(String, String, String)| self.0.get(*key) != other.0.get(*key);
        keys.into_iter()
            .filter(differs)
            .map(|(service, pk, sk)| format!("{service} {pk} {sk}"))
            .collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
