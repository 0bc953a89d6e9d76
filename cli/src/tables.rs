//! Reading the services' tables directly, for what no route shows.

use aws_smithy_types::error::display::DisplayErrorContext;
use rialto_dynamo::{AttributeValue, Item, Table};
use rialto_kernel::StoreError;

/// Returns every item of a partition, by consistent reads.
///
/// # Errors
/// [`StoreError`] if the table can't be read.
pub(crate) async fn partition(table: &Table, pk: &str) -> Result<Vec<Item>, StoreError> {
    let query = table.client.query().table_name(&table.name).consistent_read(true);
    let query = query.key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
    let items: Result<_, _> = query.into_paginator().items().send().collect().await;
    items.map_err(|error| StoreError::Unavailable(DisplayErrorContext(error).to_string()))
}

/// Returns every item of a table, page by page.
///
/// # Errors
/// [`StoreError`] if the table can't be read.
pub(crate) async fn all(table: &Table) -> Result<Vec<Item>, StoreError> {
    let scan = table.client.scan().table_name(&table.name).consistent_read(true);
    let items: Result<_, _> = scan.into_paginator().items().send().collect().await;
    items.map_err(|error| StoreError::Unavailable(DisplayErrorContext(error).to_string()))
}
