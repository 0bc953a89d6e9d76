//! For tests: tables as `template.yaml` describes them, and stub servers.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that can't be set up should fail loudly"
)]

pub mod fixtures;
pub mod generated;
pub mod http;
mod template;

use aws_sdk_dynamodb::types::BillingMode;
use rialto_aws::SdkConfig;
use rialto_dynamo::Table;
use std::sync::atomic::{AtomicU32, Ordering};

pub use template::{Template, template};

/// The environment variable with the address of the tests' DynamoDB.
pub const ENDPOINT: &str = "RIALTO_TEST_DYNAMODB";

/// A new, empty table, as the template defines the one of `service`.
///
/// # Panics
/// Without the endpoint: run the tests with `scripts/test`, which starts one.
pub async fn new_table(service: &str) -> Table {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{service}-{}-{number}", std::process::id());
    create_table(Table::named(&dynamodb(), name), service).await
}

/// The configuration of the tests' DynamoDB.
///
/// # Panics
/// As [`new_table`].
#[must_use]
pub fn dynamodb() -> SdkConfig {
    let endpoint = std::env::var(ENDPOINT).unwrap_or_else(|_| {
        panic!(
            "{ENDPOINT} is not set: run scripts/test, or start one with localstack/dynamodb-local/start PORT"
        )
    });
    rialto_aws::emulator_config(&endpoint)
}

/// Creates an empty table, as the template defines the one of `service`.
///
/// # Panics
/// When it can't be created.
pub async fn create_table(table: Table, service: &str) -> Table {
    let definition = template().table(service);
    table
        .client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(definition.attributes))
        .set_key_schema(Some(definition.keys))
        .set_global_secondary_indexes(
            Some(definition.indexes).filter(|indexes| !indexes.is_empty()),
        )
        .send()
        .await
        .expect("the table is made");
    table
}

/// Runs each test of a port's contract on two adapters, in a module each, with a new store each
/// time.
///
/// The tests are async functions that take the store.
#[macro_export]
macro_rules! contract {
    (
        $one:ident: $one_store:expr,
        $other:ident: $other_store:expr;
        $($test:ident),* $(,)?
    ) => {
        mod $one {
            use super::*;
            $(#[tokio::test] async fn $test() { super::$test($one_store).await; })*
        }
        mod $other {
            use super::*;
            $(#[tokio::test] async fn $test() { super::$test($other_store).await; })*
        }
    };
}
