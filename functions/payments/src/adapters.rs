//! Implementations of the ports: DynamoDB, the provider over HTTP, and both in memory. One contract
//! suite runs on both stores.

pub mod dynamodb;
pub mod memory;
pub mod provider;
